//! System V IPC, in the form of `IPC_64` with times in two words.

layout! {
    /// `struct mq_attr`.
    pub struct MqAttr: 32 {
        /// `O_NONBLOCK`, or nothing.
        0 => flags: u32,
        /// Messages that it takes.
        4 => max_messages: i32,
        /// Bytes of a message.
        8 => max_size: i32,
        /// Messages in it.
        12 => nr_messages: i32,
    }

    /// `struct ipc64_perm`.
    pub struct IpcPerm: 36 {
        /// What the object is found by.
        0 => key: i32,
        /// The owner.
        4 => uid: u32,
        /// The owner's group.
        8 => gid: u32,
        /// Who made it.
        12 => creator_uid: u32,
        /// The creator's group.
        16 => creator_gid: u32,
        /// Permission bits.
        20 => mode: u32,
        /// The sequence number in the id.
        24 => sequence: u32,
    }

    /// `struct shmid64_ds`; times are the low words, then the high ones.
    pub struct ShmidDs: 88 {
        /// Who may use it.
        0 => permissions: IpcPerm,
        /// Bytes.
        36 => size: u32,
        /// Attached, in seconds: low and high.
        40 => attached_at: [u32; 2],
        /// Detached.
        48 => detached_at: [u32; 2],
        /// Changed.
        56 => changed_at: [u32; 2],
        /// Who made it.
        64 => creator: i32,
        /// Who attached or detached last.
        68 => last: i32,
        /// How often it is attached.
        72 => nr_attached: u32,
    }

    /// `struct semid64_ds`.
    pub struct SemidDs: 64 {
        /// Who may use it.
        0 => permissions: IpcPerm,
        /// The last operation, in seconds: low and high.
        36 => operated_at: [u32; 2],
        /// Changed.
        44 => changed_at: [u32; 2],
        /// How many semaphores.
        52 => nr_semaphores: u32,
    }

    /// `struct msqid64_ds`.
    pub struct MsqidDs: 88 {
        /// Who may use it.
        0 => permissions: IpcPerm,
        /// Sent, in seconds: low and high.
        36 => sent_at: [u32; 2],
        /// Received.
        44 => received_at: [u32; 2],
        /// Changed.
        52 => changed_at: [u32; 2],
        /// Bytes in it.
        60 => nr_bytes: u32,
        /// Messages in it.
        64 => nr_messages: u32,
        /// Bytes that it may have.
        68 => max_bytes: u32,
        /// Who sent last.
        72 => last_sender: i32,
        /// Who received last.
        76 => last_receiver: i32,
    }

    /// `struct sembuf`.
    pub struct Sembuf: 6 {
        /// Which semaphore.
        0 => index: u16,
        /// What is added.
        2 => change: i16,
        /// `IPC_NOWAIT`, `SEM_UNDO`.
        4 => flags: u16,
    }
}
