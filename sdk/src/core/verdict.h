/* Whether a connection lives, is in doubt, or is dead. Pure. */
#ifndef AIVO_CORE_VERDICT_H
#define AIVO_CORE_VERDICT_H

#include "path.h"

enum aivo_verdict {
    AIVO_VERDICT_FINE,
    AIVO_VERDICT_SUSPECT, /* a probe is late or a retransmit pending */
    AIVO_VERDICT_DEAD
};

struct aivo_verdict_input {
    int64_t waiting_us;           /* since the oldest unanswered byte was sent; -1: nothing is unanswered */
    int64_t probe_us;             /* age of the unanswered probe; -1: none */
    int64_t timeout_us;           /* an age at which a probe tells of a dead connection */
    uint32_t resent;              /* segments sent again since the probe was sent; 0: unknown */
    bool answers;                 /* this peer has answered a probe before */
    const struct aivo_path *path; /* a fresh reading; NULL: the system has none */
};

enum aivo_verdict aivo_verdict_of(const struct aivo_verdict_input *in);

#endif
