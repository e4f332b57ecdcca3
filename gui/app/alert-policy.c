#include "alert-policy.h"

gboolean aivo_alert_is_quiet(const AivoAlertRules *rules, int minute)
{
    if (!rules->quiet || rules->quiet_from == rules->quiet_to)
        return FALSE;
    if (rules->quiet_from < rules->quiet_to)
        return minute >= rules->quiet_from && minute < rules->quiet_to;
    return minute >= rules->quiet_from || minute < rules->quiet_to; /* over midnight */
}

static gint64 until_quiet_ends(const AivoAlertRules *rules, int minute)
{
    int left = rules->quiet_to - minute;
    return (gint64)(left > 0 ? left : left + 24 * 60) * 60 * 1000;
}

AivoAlertAction aivo_alert_step(AivoAlert *alert, const AivoAlertRules *rules, gboolean watched, enum aivo_level level,
                                gint64 now_ms, int minute, gint64 *next_ms)
{
    gboolean bad = rules->enabled && watched && level <= rules->level;
    *next_ms = -1;
    if (!bad) {
        gboolean raised = alert->raised;
        *alert = (AivoAlert){0};
        return raised ? AIVO_ALERT_WITHDRAW : AIVO_ALERT_NOTHING;
    }
    if (!alert->bad) {
        alert->bad = TRUE;
        alert->bad_since_ms = now_ms;
    }
    if (alert->raised)
        return AIVO_ALERT_NOTHING;
    gint64 left = alert->bad_since_ms + rules->dwell_ms - now_ms;
    if (left > 0) {
        *next_ms = left;
        return AIVO_ALERT_NOTHING;
    }
    if (aivo_alert_is_quiet(rules, minute)) {
        *next_ms = until_quiet_ends(rules, minute);
        return AIVO_ALERT_NOTHING;
    }
    alert->raised = TRUE;
    return AIVO_ALERT_RAISE;
}
