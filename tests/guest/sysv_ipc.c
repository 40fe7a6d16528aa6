// System V IPC: shared memory, semaphores, message queues, between processes.
#include "check.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

struct text {
	long type;
	char text[64];
};

static void memory(const char *self)
{
	struct shmid_ds status;
	char number[16];
	key_t key = 0x51000000 + getpid();
	SHOW(shmget(key, 100, 0600));
	SHOW(shmget(key, 0, IPC_CREAT | 0600));
	int id = shmget(key, 5000, IPC_CREAT | IPC_EXCL | 0600);
	MUST(id);
	SHOW(shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600));
	SHOW_BOOL(shmget(key, 100, 0600) == id);
	SHOW(shmget(key, 6000, 0600));
	SHOW((long)shmat(id + 1, 0, 0));
	char *at = shmat(id, 0, 0), *again = shmat(id, 0, SHM_RDONLY);
	if (at == (void *)-1 || again == (void *)-1) exit(99);
	SHOW((long)shmat(id, at + 1, 0));
	MUST(shmctl(id, IPC_STAT, &status));
	printf("size %d, attached %d, mode %o, mine %d\n", (int)status.shm_segsz, (int)status.shm_nattch,
		(unsigned)status.shm_perm.mode, status.shm_cpid == getpid());
	strcpy(at, "from the parent");
	snprintf(number, sizeof number, "%d", id);
	pid_t pid = start_role(self, "attach", number, 0);
	show_end("attach", pid);
	printf("[%s] [%s]\n", at, again);
	SHOW(shmdt(again));
	SHOW(shmdt(again));
	SHOW(shmdt(at + 1));
	SHOW(shmctl(id, IPC_RMID, 0));
	MUST(shmctl(id, IPC_STAT, &status));
	printf("attached %d, mode %o\n", (int)status.shm_nattch, (unsigned)status.shm_perm.mode);
	SHOW(shmget(key, 0, 0));
	SHOW(shmdt(at));
	SHOW(shmctl(id, IPC_STAT, &status));
	SHOW(shmctl(id, IPC_RMID, 0));
}

static int attach(int id)
{
	char *at = shmat(id, 0, 0);
	if (at == (void *)-1) return 1;
	if (strcmp(at, "from the parent")) return 2;
	strcpy(at, "from the child");
	return 0;
}

static void semaphores(const char *self)
{
	union semun argument;
	unsigned short values[3] = { 0 };
	struct semid_ds status;
	char number[16];
	int id = semget(IPC_PRIVATE, 3, 0600);
	MUST(id);
	SHOW(semget(IPC_PRIVATE, 0, 0600));
	SHOW(semget(IPC_PRIVATE, -1, 0600));
	argument.val = 5;
	SHOW(semctl(id, 0, SETVAL, argument));
	SHOW(semctl(id, 3, SETVAL, argument));
	argument.val = 40000;
	SHOW(semctl(id, 0, SETVAL, argument));
	SHOW(semctl(id, 0, GETVAL));
	SHOW_BOOL(semctl(id, 0, GETPID) == getpid());
	struct sembuf both[2] = { { 0, -2, 0 }, { 1, -1, IPC_NOWAIT } };
	SHOW(semop(id, both, 2));
	SHOW(semctl(id, 0, GETVAL));
	both[1].sem_op = 1;
	SHOW(semop(id, both, 2));
	SHOW(semop(id, both, 0));
	SHOW(semop(id, both, 501));
	both[0].sem_num = 7;
	SHOW(semop(id, both, 2));
	both[0] = (struct sembuf){ 0, 32767, 0 };
	SHOW(semop(id, both, 1));
	argument.array = values;
	SHOW(semctl(id, 0, GETALL, argument));
	printf("%d %d %d\n", values[0], values[1], values[2]);
	values[2] = 9;
	SHOW(semctl(id, 0, SETALL, argument));
	argument.buf = &status;
	SHOW(semctl(id, 0, IPC_STAT, argument));
	printf("%d semaphores, operated %d\n", (int)status.sem_nsems, status.sem_otime != 0);
	struct timespec soon = { 0, 30000000 };
	both[0] = (struct sembuf){ 0, -30, 0 };
	SHOW(semtimedop(id, both, 1, &soon));
	// A process that ends gives back what it took with SEM_UNDO.
	snprintf(number, sizeof number, "%d", id);
	SHOW(semctl(id, 2, GETVAL));
	pid_t pid = start_role(self, "undo", number, 0);
	both[0] = (struct sembuf){ 1, -2, 0 };
	SHOW(semop(id, both, 1));
	show_end("undo", pid);
	SHOW(semctl(id, 2, GETVAL));
	// One that waits for zero, and the end of the set.
	pid = start_role(self, "zero", number, 0);
	while (semctl(id, 2, GETZCNT) != 1) usleep(1000);
	SHOW(semctl(id, 2, GETNCNT));
	SHOW(semctl(id, 0, IPC_RMID));
	show_end("zero", pid);
	SHOW(semop(id, both, 1));
}

static int undo(int id)
{
	struct sembuf operations[2] = { { 2, -4, SEM_UNDO }, { 1, 1, 0 } };
	return semop(id, operations, 2) ? 1 : 0;
}

static int zero(int id)
{
	struct sembuf operation = { 2, 0, 0 };
	return semop(id, &operation, 1) == -1 && errno == EIDRM ? 0 : 1;
}

static void show_message(const char *what, int id, long type, size_t size, int flags)
{
	struct text message = { 0, "" };
	ssize_t n = msgrcv(id, &message, size, type, flags);
	if (n == -1) printf("%s: %s\n", what, errno == ENOMSG ? "ENOMSG" : error_name(errno));
	else printf("%s: %d, type %ld [%.*s]\n", what, (int)n, message.type, (int)n, message.text);
}

static void send_text(int id, long type, const char *text)
{
	struct text message = { type, "" };
	strcpy(message.text, text);
	MUST(msgsnd(id, &message, strlen(text), 0));
}

static void messages(const char *self)
{
	struct msqid_ds status;
	struct text message = { 0, "x" };
	char number[16];
	int id = msgget(IPC_PRIVATE, 0600);
	MUST(id);
	SHOW(msgsnd(id, &message, 1, 0));
	message.type = 1;
	SHOW(msgsnd(id, &message, 9000, 0));
	SHOW(msgsnd(id, &message, 0, 0));
	show_message("empty", id, 0, 10, 0);
	send_text(id, 3, "three");
	send_text(id, 1, "one");
	send_text(id, 2, "two");
	send_text(id, 1, "one again");
	MUST(msgctl(id, IPC_STAT, &status));
	printf("%d messages, limit %d, mine %d\n", (int)status.msg_qnum, (int)status.msg_qbytes,
		status.msg_lspid == getpid());
	show_message("of type 2", id, 2, 10, 0);
	show_message("of type 2", id, 2, 10, IPC_NOWAIT);
	show_message("up to 2", id, -2, 10, 0);
	show_message("not 1", id, 1, 10, MSG_EXCEPT);
	show_message("too long", id, 0, 3, 0);
	show_message("cut", id, 0, 3, MSG_NOERROR);
	show_message("none", id, 0, 3, IPC_NOWAIT);
	// Full, until somebody receives.
	static struct { long type; char text[8000]; } big = { 1, "" };
	SHOW(msgsnd(id, &big, sizeof big.text, 0));
	SHOW(msgsnd(id, &big, sizeof big.text, 0));
	SHOW(msgsnd(id, &big, sizeof big.text, IPC_NOWAIT));
	snprintf(number, sizeof number, "%d", id);
	pid_t pid = start_role(self, "drain", number, 0);
	SHOW(msgsnd(id, &big, sizeof big.text, 0));
	show_end("drain", pid);
	SHOW(msgrcv(id, &big, sizeof big.text, 0, 0));
	SHOW(msgrcv(id, &big, sizeof big.text, 0, 0));
	SHOW(msgctl(id, IPC_RMID, 0));
	SHOW(msgsnd(id, &message, 1, 0));
}

static int drain(int id)
{
	static struct { long type; char text[8000]; } big;
	usleep(20000);
	return msgrcv(id, &big, sizeof big.text, 0, 0) == sizeof big.text ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		int id = atoi(argv[2]);
		if (!strcmp(argv[1], "attach")) return attach(id);
		if (!strcmp(argv[1], "undo")) return undo(id);
		if (!strcmp(argv[1], "zero")) return zero(id);
		if (!strcmp(argv[1], "drain")) return drain(id);
	}
	memory(argv[0]);
	semaphores(argv[0]);
	messages(argv[0]);
	return 0;
}
