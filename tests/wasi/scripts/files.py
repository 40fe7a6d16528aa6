"""What needs files: os, pathlib, shutil, tempfile, and the modules that read and write them."""

import csv
import errno
import gzip
import io
import os
import pathlib
import shutil
import stat
import zipfile


def attempt(call, *arguments, **named):
    try:
        result = call(*arguments, **named)
        print(call.__name__, *arguments, result if isinstance(result, (int, str, list)) else "")
        return result
    except OSError as error:
        print(call.__name__, *arguments, errno.errorcode[error.errno])


attempt(os.mkdir, "d")
attempt(os.mkdir, "d")
attempt(os.makedirs, "d/e/f", exist_ok=True)
attempt(os.rmdir, "d")
attempt(os.rmdir, "none")
attempt(os.listdir, "none")
attempt(os.unlink, "d")
with open("d/text", "w", encoding="utf-8") as file:
    file.write("line ä\n" * 1000)
    print(file.tell())
with open("d/text", "rb") as file:
    file.seek(-8, io.SEEK_END)
    print(file.read(), file.tell(), os.fstat(file.fileno()).st_size)
with open("d/text", "r+b") as file:
    file.truncate(100)
    file.seek(50)
    file.write(b"X")
print(os.path.getsize("d/text"), open("d/text", "rb").read()[48:53])
with open("d/text", "ab") as file:
    file.write(b"end")
    print(file.tell())
attempt(open, "d/text", "x")
attempt(open, "d", "w")
attempt(open, "d/text/x")
attempt(os.symlink, "text", "d/link")
attempt(os.readlink, "d/link")
print(os.path.islink("d/link"), os.path.exists("d/link"), stat.S_ISLNK(os.lstat("d/link").st_mode))
attempt(os.link, "d/text", "d/hard")
print(os.stat("d/hard").st_nlink, os.path.samefile("d/hard", "d/text"))
attempt(os.rename, "d/hard", "d/renamed")
attempt(os.replace, "d/renamed", "d/e/replaced")
os.utime("d/text", ns=(1_000_000_000_000_000_007, 1_000_000_002_000_000_009))
print(os.stat("d/text").st_atime_ns, os.stat("d/text").st_mtime_ns)
for root, folders, files in os.walk("d"):
    folders.sort()
    print(root, folders, sorted(files))
print(sorted((entry.name, entry.is_dir(), entry.is_symlink()) for entry in os.scandir("d")))
print(sorted(str(path) for path in pathlib.Path("d").rglob("*")))
shutil.copytree("d", "copy", symlinks=True)
print(sorted(os.listdir("copy")), pathlib.Path("copy/text").read_bytes()[-3:])
shutil.rmtree("copy")
print(os.path.exists("copy"))
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.write("d/text")
    archive.writestr("made", "up" * 1000)
with zipfile.ZipFile("a.zip") as archive:
    print(archive.namelist(), archive.testzip(), len(archive.read("made")))
with gzip.open("a.gz", "wt") as file:
    file.write("zipped\n" * 100)
print(gzip.open("a.gz", "rt").read().count("zipped"))
with open("a.csv", "w", newline="") as file:
    csv.writer(file).writerows([["a", 'b "c"', "d,e"], [1, 2.5, None]])
print(list(csv.reader(open("a.csv", newline=""))))
fd = os.open("raw", os.O_CREAT | os.O_RDWR | os.O_EXCL)
print(os.write(fd, b"0123456789"), os.lseek(fd, 3, os.SEEK_SET), os.read(fd, 4))
print(os.pread(fd, 3, 1), os.pwrite(fd, b"XY", 8), os.lseek(fd, 0, os.SEEK_CUR))
os.ftruncate(fd, 5)
os.fsync(fd)
print(os.fstat(fd).st_size)
os.close(fd)
try:
    os.read(fd, 1)
except OSError as error:
    print(error)
for i in range(150):
    pathlib.Path(f"d/e/file {i:03}").touch()
print(len(os.listdir("d/e")))
shutil.rmtree("d")
print(sorted(os.listdir(".")))
print(len(os.urandom(100)), os.urandom(16) != os.urandom(16))
print("done")
