/* What programs see: x86-64's order of fields, which is also what Rust's libc crate has for
 * wasm32 Linux. Filled from statx(2); the kernel's own struct is in kstat.h. */
struct stat {
	dev_t st_dev;
	ino_t st_ino;
	nlink_t st_nlink;
	mode_t st_mode;
	uid_t st_uid;
	gid_t st_gid;
	unsigned int __pad0;
	dev_t st_rdev;
	off_t st_size;
	blksize_t st_blksize;
	blkcnt_t st_blocks;
	struct timespec st_atim;
	struct timespec st_mtim;
	struct timespec st_ctim;
	/* No more, or Rust's would be smaller: its last time ends without padding. */
	long __unused[2];
};
