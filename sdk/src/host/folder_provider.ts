/** A folder of the File System Access API as files that a page provides. */
import type { FileProvider } from "./file_provider.js";

/** How a folder is shown. */
export interface FolderOptions {
  /** Whether all changes fail. */
  readonly readOnly?: boolean;
  /** Permissions of all files, 0o755 by default: the browser keeps none. */
  readonly mode?: number;
}

/**
 * The files of `directory`: a folder that the user has chosen, or one of OPFS. For changes the page needs permission
 * (`handle.requestPermission({ mode: "readwrite" })`).
 *
 * A browser keeps no permissions, owners, links or times of one's own choice: chmod(1) and touch(1) succeed and change
 * nothing, symbolic links cannot be made. Directories move by being copied. What is written is in the folder when the
 * file is closed, synchronized, or has not been written for a moment; what others write is seen a tenth of a second
 * later at most.
 */
export async function folderProvider(
  directory: FileSystemDirectoryHandle,
  options: FolderOptions = {},
): Promise<FileProvider> {
  const { folder } = await import("./folder_files.js");
  return folder(directory, options);
}
