/*
 * A GET that waits for something to answer. Left to itself libwebsockets ends it after 5 s; without its time-out it
 * never reports that the client went away, and spins on the closed socket. So while one waits: no time-out, nothing is
 * read, and a duplicate of the descriptor is watched for the disconnect alone.
 */
#ifndef SRV_HOLD_H
#define SRV_HOLD_H

struct srv_conn;
struct srv_hold;

/* lost is called once if the client goes away. NULL: no descriptor or memory left. */
struct srv_hold *srv_hold_start(struct srv_conn *conn, void (*lost)(struct srv_conn *conn));
/* NULL is fine. The connection's own time-outs and reading are the caller's to restore. */
void srv_hold_stop(struct srv_hold *hold);

#endif
