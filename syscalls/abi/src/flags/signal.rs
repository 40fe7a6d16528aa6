//! Signals: actions, masks, and why one was sent.

flags! {
    "sigaction(2)": u32 {
        SIG_DFL = 0,
        SIG_IGN = 1,
        SA_NOCLDSTOP = 0x0000_0001,
        SA_NOCLDWAIT = 0x0000_0002,
        SA_SIGINFO = 0x0000_0004,
        SA_UNSUPPORTED = 0x0000_0400,
        SA_EXPOSE_TAGBITS = 0x0000_0800,
        SA_RESTORER = 0x0400_0000,
        SA_ONSTACK = 0x0800_0000,
        SA_RESTART = 0x1000_0000,
        SA_NODEFER = 0x4000_0000,
        SA_RESETHAND = 0x8000_0000,
    }
    "sigprocmask(2)": i32 {
        SIG_BLOCK = 0,
        SIG_UNBLOCK = 1,
        SIG_SETMASK = 2,
    }
    "sigaltstack(2)": i32 {
        SS_ONSTACK = 1,
        SS_DISABLE = 2,
        SS_AUTODISARM = i32::MIN,
    }
    "sigaction(2)": i32 {
        SI_USER = 0,
        SI_KERNEL = 0x80,
        SI_QUEUE = -1,
        SI_TIMER = -2,
        SI_MESGQ = -3,
        SI_ASYNCIO = -4,
        SI_SIGIO = -5,
        SI_TKILL = -6,
        CLD_EXITED = 1,
        CLD_KILLED = 2,
        CLD_DUMPED = 3,
        CLD_TRAPPED = 4,
        CLD_STOPPED = 5,
        CLD_CONTINUED = 6,
        ILL_ILLOPC = 1,
        ILL_ILLTRP = 4,
        FPE_INTDIV = 1,
        FPE_INTOVF = 2,
        SEGV_MAPERR = 1,
        SEGV_ACCERR = 2,
        BUS_ADRALN = 1,
        BUS_ADRERR = 2,
        BUS_OBJERR = 3,
        TRAP_BRKPT = 1,
        POLL_IN = 1,
        POLL_OUT = 2,
        POLL_MSG = 3,
        POLL_ERR = 4,
        POLL_PRI = 5,
        POLL_HUP = 6,
    }
}
