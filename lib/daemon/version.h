/*
 * version.h
 *	  The version that --version prints, and the extension version it needs.
 */
#ifndef DAEMON_VERSION_H
#define DAEMON_VERSION_H

#define TOPK_VERSION "1.0.0"
#define TOPK_PIPELINE_VERSION "1.0"

#endif /* DAEMON_VERSION_H */
