/*
 * A connection as the windows see it: its profile, how it stands, its quality, its queue's figures, its log and its
 * series. A model and nothing more: monitor.c fills it, everybody else watches its properties.
 */
#ifndef AIVO_APP_CONNECTION_H
#define AIVO_APP_CONNECTION_H

#include "event-log.h"
#include "profile.h"
#include <aivo-gtk/series.h>
#include <aivo-gtk/types.h>
#include <aivo/error.h>

G_BEGIN_DECLS

/* The queue's figures. */
typedef struct {
    gboolean known;
    guint64 pending, in_flight, dead, bytes;
    gint64 oldest_ms; /* Unix time; 0: none */
    guint64 sent, acknowledged, expired, evicted;
} AivoQueueFigures;

/*
 * Properties, all read-only: profile (AivoProfile), name, url (without secrets), state (AivoLinkState), quality
 * (AivoQuality, NULL: none yet), reason (string), since-ms (int64: when the state began; given up: when it was lost),
 * status (string: one line for a list), queue-changed (a uint that counts up with every change of the figures).
 */
#define AIVO_TYPE_CONNECTION (aivo_connection_get_type())
G_DECLARE_FINAL_TYPE(AivoConnection, aivo_connection, AIVO, CONNECTION, GObject)

AivoConnection *aivo_connection_new(const AivoProfile *profile);

/* Everything returned is borrowed, and NULL only where that is said. */
const char *aivo_connection_get_id(AivoConnection *connection);
const char *aivo_connection_get_name(AivoConnection *connection);
const AivoProfile *aivo_connection_get_profile(AivoConnection *connection);
AivoLinkState aivo_connection_get_state(AivoConnection *connection);
const struct aivo_quality *aivo_connection_get_quality(AivoConnection *connection); /* may be NULL */
enum aivo_level aivo_connection_get_level(AivoConnection *connection);
const char *aivo_connection_get_reason(AivoConnection *connection); /* may be NULL */
/* Of what kind the reason is. */
enum aivo_status aivo_connection_get_failure(AivoConnection *connection);
gint64 aivo_connection_get_since(AivoConnection *connection);
const char *aivo_connection_get_sid(AivoConnection *connection); /* the server's id of it; "" */
const AivoQueueFigures *aivo_connection_get_queue(AivoConnection *connection);
AivoEventLog *aivo_connection_get_log(AivoConnection *connection);
AivoQualitySeries *aivo_connection_get_series(AivoConnection *connection);
char *aivo_connection_dup_status(AivoConnection *connection);
/* Where its files are: history and queue. The caller frees it. */
char *aivo_connection_dup_dir(AivoConnection *connection);
/* Its own queue's file, or the other program's. The caller frees it. */
char *aivo_connection_dup_queue_path(AivoConnection *connection);
char *aivo_connection_dup_history_path(AivoConnection *connection);
gboolean aivo_connection_owns_queue(AivoConnection *connection);

/* For whoever fills it. */
void aivo_connection_set_profile(AivoConnection *connection, const AivoProfile *profile);
void aivo_connection_set_state(AivoConnection *connection, AivoLinkState state, const char *reason);
void aivo_connection_set_failure(AivoConnection *connection, enum aivo_status failure); /* before the state */
void aivo_connection_set_sid(AivoConnection *connection, const char *sid);
void aivo_connection_set_quality(AivoConnection *connection, const struct aivo_quality *quality);
void aivo_connection_set_queue(AivoConnection *connection, const AivoQueueFigures *figures);
void aivo_connection_log(AivoConnection *connection, AivoEventKind kind, AivoEventTone tone, const char *title,
                         const char *detail);
/* Into the log, and told by the signal "trouble" (title, detail): somebody must see to it. */
void aivo_connection_trouble(AivoConnection *connection, const char *title, const char *detail);

G_END_DECLS
#endif
