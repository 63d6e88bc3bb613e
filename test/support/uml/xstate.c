/*
 * Preloaded into user-mode Linux: lets it run on CPUs with AMX.
 *
 * It keeps a process's vector registers in a buffer of 2696 bytes and puts them back with PTRACE_SETREGSET. The host's
 * kernel takes that only in full length, which with AMX is 11008 bytes, and answers EFAULT. So the rest is added here.
 * It is all zero: no process inside can use AMX, because it would have to ask its kernel for it, which knows no AMX.
 *
 * No headers and no libraries, so that a bare compiler is enough.
 */
extern long syscall(long number, ...);

enum { SYS_PTRACE = 101, PEEKTEXT = 1, PEEKUSER = 3, GETREGSET = 0x4204, SETREGSET = 0x4205, XSTATE = 0x202 };

struct piece {
	void *base;
	unsigned long length;
};

static char whole[65536];
static unsigned long whole_length;

static long set_xstate(long pid, struct piece *given)
{
	struct piece all = {whole, sizeof(whole)};
	char *from = given->base;
	unsigned long i;

	if (whole_length == 0 && syscall(SYS_PTRACE, (long)GETREGSET, pid, (long)XSTATE, &all) == 0) {
		whole_length = all.length;
		for (i = 0; i < whole_length; i++) whole[i] = 0;
	}
	if (whole_length <= given->length) return syscall(SYS_PTRACE, (long)SETREGSET, pid, (long)XSTATE, given);
	for (i = 0; i < given->length / sizeof(long); i++) ((long *)whole)[i] = ((long *)from)[i];
	all.length = whole_length;
	return syscall(SYS_PTRACE, (long)SETREGSET, pid, (long)XSTATE, &all);
}

long ptrace(long request, long pid, void *address, void *data)
{
	long word, result;

	if (request == SETREGSET && (long)address == XSTATE) return set_xstate(pid, data);
	/* As libc does: these return what the system call stores. */
	if (request < PEEKTEXT || request > PEEKUSER) return syscall(SYS_PTRACE, request, pid, address, data);
	result = syscall(SYS_PTRACE, request, pid, address, &word);
	return result == 0 ? word : result;
}
