/*
 * credentials_process.c
 *	  Keys that a program of the user's prints (credential_process of a profile).
 *
 * Its output: "Sourcing credentials with an external process" in the AWS SDKs and Tools
 * Reference Guide.  Its standard error is ours.
 */
#include "aws/credentials_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"

#define PROCESS_TIMEOUT_MS 30000
#define OUTPUT_LIMIT (64 * 1024)

extern char **environ;

/* With the signals as a program expects them, and in a group of its own, so that all of it can be ended. */
static bool
spawn_shell(const char *command, int output, pid_t *pid)
{
	char					  *arguments[] = {"sh", "-c", (char *) command, NULL};
	posix_spawnattr_t		   attributes;
	posix_spawn_file_actions_t actions;
	sigset_t				   none;
	sigset_t				   all;
	bool					   spawned;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
											  POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	spawned = posix_spawn(pid, "/bin/sh", &actions, &attributes, arguments, environ) == 0;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return spawned;
}

/* Read until the end, the limit or the time; the length, or -1 when it is over in another way. */
static ssize_t
read_output(int fd, char *output)
{
	int64_t deadline = clock_milliseconds() + PROCESS_TIMEOUT_MS;
	size_t	length = 0;

	while (length < OUTPUT_LIMIT)
	{
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t		  received;

		if (poll(&ready, 1, clock_left(deadline)) <= 0)
			return -1;
		received = read(fd, output + length, OUTPUT_LIMIT - length);
		if (received <= 0)
			return received == 0 ? (ssize_t) length : -1;
		length += (size_t) received;
	}
	return -1;
}

static CredentialsAnswer
run_process(Credentials *credentials, const char *command, char *output, size_t *length)
{
	int		ends[2];
	pid_t	pid;
	int		exit_status = 0;
	ssize_t received;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return credentials_say(credentials, CREDENTIALS_AWAY,
							   "the credential_process could not be started");
	if (!spawn_shell(command, ends[1], &pid))
	{
		close(ends[0]);
		close(ends[1]);
		return credentials_say(credentials, CREDENTIALS_AWAY,
							   "the credential_process could not be started");
	}
	close(ends[1]);
	received = read_output(ends[0], output);
	close(ends[0]);
	if (received < 0)
		kill(-pid, SIGKILL);
	waitpid(pid, &exit_status, 0);
	if (received < 0)
		return credentials_say(
			credentials, CREDENTIALS_AWAY,
			"the credential_process did not end within %d s, or printed too much",
			PROCESS_TIMEOUT_MS / 1000);
	if (exit_status != 0)
		return credentials_say(credentials, CREDENTIALS_AWAY,
							   "the credential_process ended with status %d",
							   WIFEXITED(exit_status) ? WEXITSTATUS(exit_status) : -1);
	*length = (size_t) received;
	return CREDENTIALS_FOUND;
}

CredentialsAnswer
credentials_from_process(Credentials *credentials, const char *command, CredentialsKeys *keys)
{
	char			 *output = malloc(OUTPUT_LIMIT);
	size_t			  length = 0;
	CredentialsAnswer answer;

	if (output == NULL)
		return credentials_say(credentials, CREDENTIALS_AWAY, "out of memory");
	answer = run_process(credentials, command, output, &length);
	if (answer == CREDENTIALS_FOUND)
	{
		answer = credentials_read_json(credentials, "the credential_process", "SessionToken",
									   output, length, keys);
		explicit_bzero(output, length);
	}
	free(output);
	return answer;
}
