/*
 * Which instance handles a message that has a messageId: the one that claims it in Redis first. The others get its
 * answer there, or wait for it.
 *
 * A claim is a key of its user and id: "?" while it is being handled, then "A" and the answer, for SRV_DEDUP_TTL_MS. A
 * "?" lasts SRV_CLAIM_PENDING_MS only (longer if agents may take longer), so that an instance that dies while it
 * handles a message does not keep it from being handled.
 * Bounds: SRV_CLAIM_MAX at a time; beyond, and while Redis is away, each instance remembers for itself.
 */
#ifndef SRV_CLAIMS_H
#define SRV_CLAIMS_H

#include "hub.h"

#define SRV_CLAIM_PENDING_MS 60000
#define SRV_CLAIM_POLL_MS    50
#define SRV_CLAIM_MAX        4096

enum srv_claim_verdict {
    SRV_CLAIM_MINE,      /* handle it, then srv_claim_answer() */
    SRV_CLAIM_ANSWERED,  /* answer is what it was acknowledged with */
    SRV_CLAIM_ELSEWHERE, /* another instance handles it: another verdict follows */
    SRV_CLAIM_GIVEN_UP,  /* no answer came in time: its sender may repeat it */
    SRV_CLAIM_AWAY,      /* no Redis: as if there were one instance */
};
typedef void srv_claim_done(void *context, enum srv_claim_verdict verdict, const char *answer, size_t len);

/* done is called once, or twice with ELSEWHERE first; perhaps before this returns. Not at all while stopping. */
void srv_claim(struct srv_cluster *c, const char *user, const char *id, size_t id_len, srv_claim_done *done,
               void *context);
/* What was MINE is handled; answer NULL: it is not to be remembered. */
void srv_claim_answer(struct srv_cluster *c, const char *user, const char *id, size_t id_len, const char *answer,
                      size_t len);

#endif
