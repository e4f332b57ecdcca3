/* Tells a connection's story into its log: one sentence for each change, with its reason. Knows no client. */
#ifndef AIVO_APP_NARRATOR_H
#define AIVO_APP_NARRATOR_H

#include "connection.h"
#include <aivo/error.h>

G_BEGIN_DECLS

/* The state changed; reason may be NULL. since_ms: when the state before began. */
void aivo_narrate_state(AivoConnection *connection, AivoLinkState from, AivoLinkState to, const char *reason,
                        gint64 since_ms);
/* The level changed while connected. */
void aivo_narrate_level(AivoConnection *connection, enum aivo_level from, const struct aivo_quality *quality);

/* Something that changes no state, of this kind: a further attempt that failed, a file that cannot be written. */
void aivo_narrate_notice(AivoConnection *connection, enum aivo_status status, const char *text);
/* Something that somebody must see to, "What: why": into the log with that as its title, and before people's eyes. */
void aivo_narrate_trouble(AivoConnection *connection, const char *text);

typedef enum {
    AIVO_LOSS_OF_DEAD,
    AIVO_LOSS_OF_EXPIRED,
    AIVO_LOSS_OF_EVICTED,
} AivoMessageLoss;
/* A durable message will not be delivered. */
void aivo_narrate_message(AivoConnection *connection, AivoMessageLoss loss, const char *event, const char *why);

G_END_DECLS
#endif
