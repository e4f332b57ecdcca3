/* What engine.c and polling.c know of each other. */
#ifndef SRV_ENGINE_INTERNAL_H
#define SRV_ENGINE_INTERNAL_H

#include "engine.h"

/* engine.c */
void srv_session_mark(struct srv_engine *e, struct srv_session *s);
/* Adds a frame whatever the state. */
void srv_session_queue(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary);
void srv_session_packet(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary,
                        uint64_t now_ms);
/* The end: off the table, links forgotten, freed by the next flush. Its owner knows already. */
void srv_session_bury(struct srv_engine *e, struct srv_session *s);

/* polling.c */
void srv_polling_init(struct srv_engine *e);
bool srv_polling_new(struct srv_engine *e, struct srv_session *s);
void srv_polling_free(struct srv_engine *e, struct srv_session *s); /* also lets go of its links */
void srv_polling_flush(struct srv_engine *e, struct srv_session *s);
void srv_polling_close(struct srv_engine *e, struct srv_session *s);
void srv_polling_link_lost(struct srv_engine *e, struct srv_session *s, struct srv_link *link, enum srv_reason reason);
void srv_probe_received(struct srv_engine *e, struct srv_session *s, struct srv_link *link, const char *data,
                        size_t len, bool binary, uint64_t now_ms);

#endif
