/* What happened to a connection, newest first: a list model of bounded length. */
#ifndef AIVO_APP_EVENT_LOG_H
#define AIVO_APP_EVENT_LOG_H

#include <gio/gio.h>

G_BEGIN_DECLS

#define AIVO_EVENT_LOG_MAX 2000 /* entries; the oldest go */

typedef enum {
    AIVO_EVENT_STATE,  /* connected, reconnected, paused */
    AIVO_EVENT_DROP,   /* the connection was lost, refused or given up */
    AIVO_EVENT_LEVEL,  /* the quality's level changed */
    AIVO_EVENT_QUEUE,  /* a message died, expired or was evicted; retry, purge */
    AIVO_EVENT_NOTICE, /* anything else: a file put aside, the computer slept */
} AivoEventKind;

typedef enum {
    AIVO_TONE_NEUTRAL,
    AIVO_TONE_GOOD,
    AIVO_TONE_WARNING,
    AIVO_TONE_BAD,
} AivoEventTone;

/* Property count (uint, read-only): notified when the same came again, with a new time. */
#define AIVO_TYPE_EVENT (aivo_event_get_type())
G_DECLARE_FINAL_TYPE(AivoEvent, aivo_event, AIVO, EVENT, GObject)
AivoEvent *aivo_event_new(gint64 time_ms, AivoEventKind kind, AivoEventTone tone, guint count, const char *title,
                          const char *detail);
gint64 aivo_event_get_time(AivoEvent *event); /* Unix time, ms; of the last one where it was repeated */
AivoEventKind aivo_event_get_kind(AivoEvent *event);
AivoEventTone aivo_event_get_tone(AivoEvent *event);
const char *aivo_event_get_title(AivoEvent *event);
const char *aivo_event_get_detail(AivoEvent *event);  /* "" where there is none */
guint aivo_event_get_count(AivoEvent *event);         /* 1, or how often it came in a row */
const char *aivo_event_kind_name(AivoEventKind kind); /* "state", "drop", …; static, for files */
gboolean aivo_event_kind_from_name(const char *name, AivoEventKind *out);
const char *aivo_event_kind_icon(AivoEvent *event); /* an icon's name; static */

#define AIVO_TYPE_EVENT_LOG (aivo_event_log_get_type())
G_DECLARE_FINAL_TYPE(AivoEventLog, aivo_event_log, AIVO, EVENT_LOG, GObject) /* a GListModel of AivoEvent */
AivoEventLog *aivo_event_log_new(void);
/* detail may be NULL. What is the same as the newest entry only counts it up. */
void aivo_event_log_add(AivoEventLog *log, gint64 time_ms, AivoEventKind kind, AivoEventTone tone, const char *title,
                        const char *detail);
void aivo_event_log_clear(AivoEventLog *log);
/* Adds what is older than everything in it, newest first, as far as there is room. The sink is not told. */
void aivo_event_log_add_old(AivoEventLog *log, GPtrArray *events); /* of AivoEvent */
/* Who is told of what is added (again: the newest one came again) and, with event NULL, of its clearing. fn NULL:
 * nobody. */
typedef void (*AivoEventSink)(AivoEvent *event, gboolean again, gpointer user);
void aivo_event_log_set_sink(AivoEventLog *log, AivoEventSink fn, gpointer user);

G_END_DECLS
#endif
