/* sigsetjmp is a macro (see setjmp.h): this, and then setjmp in the caller's frame. */
#include <setjmp.h>
#include <signal.h>
#include "syscall.h"

void __sigsetjmp_save(sigjmp_buf buf, int save)
{
	buf->__fl = save;
	if (save) __syscall(SYS_rt_sigprocmask, SIG_SETMASK, 0, buf->__ss, _NSIG/8);
}
