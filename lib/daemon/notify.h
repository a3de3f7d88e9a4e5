/*
 * notify.h
 *	  Tell systemd how the program is doing (sd_notify(3), Type=notify).
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

/* Send state ("READY=1", "STOPPING=1") to $NOTIFY_SOCKET; without one, nothing. */
extern void notify_systemd(const char *state);

#endif /* DAEMON_NOTIFY_H */
