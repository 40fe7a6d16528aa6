/* What fstat64 and fstatat64 write: 152 bytes. musl asks statx first, since the seconds at 72
 * have 32 bits, and comes here only on a kernel without it. */
struct kstat {
	unsigned long long st_dev;              /* at 0 */
	unsigned __pad0;
	unsigned __ino32;                       /* at 12: low half of st_ino */
	unsigned st_mode;
	unsigned st_nlink;
	unsigned st_uid;
	unsigned st_gid;
	unsigned long long st_rdev;             /* at 32 */
	unsigned __pad1;
	long long st_size;                      /* at 48 */
	unsigned st_blksize;
	long long st_blocks;                    /* at 64 */
	long st_atime_sec, st_atime_nsec;       /* at 72 */
	long st_mtime_sec, st_mtime_nsec;
	long st_ctime_sec, st_ctime_nsec;
	unsigned long long st_ino;              /* at 96 */
	struct {
		long long sec, nsec;
	} __time64[3];                          /* at 104: atime, mtime, ctime */
};

_Static_assert(sizeof(struct kstat) == 152, "size of the kernel's stat64");
