/* When a connection's state is worth a notification. Pure: time is an argument. */
#ifndef AIVO_APP_ALERT_POLICY_H
#define AIVO_APP_ALERT_POLICY_H

#include <aivo/quality.h>
#include <glib.h>

G_BEGIN_DECLS

typedef struct {
    gboolean enabled;
    enum aivo_level level;    /* this level and worse is bad */
    gint64 dwell_ms;          /* bad for so long without a break */
    gboolean quiet;           /* quiet hours are kept */
    int quiet_from, quiet_to; /* minutes after midnight, 0..1439; the same: none */
} AivoAlertRules;

typedef struct {
    gboolean bad, raised;
    gint64 bad_since_ms; /* monotonic */
} AivoAlert;

typedef enum { AIVO_ALERT_NOTHING, AIVO_ALERT_RAISE, AIVO_ALERT_WITHDRAW } AivoAlertAction;

gboolean aivo_alert_is_quiet(const AivoAlertRules *rules, int minute_of_day);
/* Told at every change and when *next_ms passed: what to do now. *next_ms: after how long to ask again, -1: not before
 * a change. While it is quiet nothing is raised, and what was raised may be withdrawn; what is still bad when the quiet
 * hours end is raised then. watched FALSE: paused or not yet known, neither good nor bad. */
AivoAlertAction aivo_alert_step(AivoAlert *alert, const AivoAlertRules *rules, gboolean watched, enum aivo_level level,
                                gint64 now_ms, int minute_of_day, gint64 *next_ms);

G_END_DECLS
#endif
