#include "connection.h"
#include "describe.h"
#include <glib/gi18n.h>
#include <string.h>

struct _AivoConnection {
    GObject parent;
    AivoProfile *profile;
    AivoLinkState state;
    enum aivo_status failure;
    struct aivo_quality *quality;
    char *reason, *sid;
    gint64 since_ms;
    AivoQueueFigures queue;
    guint queue_changed;
    AivoEventLog *log;
    AivoQualitySeries *series;
};

enum {
    PROP_PROFILE = 1,
    PROP_NAME,
    PROP_URL,
    PROP_STATE,
    PROP_QUALITY,
    PROP_REASON,
    PROP_SINCE_MS,
    PROP_STATUS,
    PROP_QUEUE_CHANGED,
    PROP_COUNT
};

static GParamSpec *props[PROP_COUNT];
static guint trouble_signal;

G_DEFINE_FINAL_TYPE(AivoConnection, aivo_connection, G_TYPE_OBJECT)

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    AivoConnection *self = AIVO_CONNECTION(object);
    switch (id) {
    case PROP_PROFILE:
        g_value_set_boxed(value, self->profile);
        break;
    case PROP_NAME:
        g_value_set_string(value, self->profile->name);
        break;
    case PROP_URL:
        g_value_take_string(value, aivo_profile_public_url(self->profile));
        break;
    case PROP_STATE:
        g_value_set_enum(value, self->state);
        break;
    case PROP_QUALITY:
        g_value_set_boxed(value, self->quality);
        break;
    case PROP_REASON:
        g_value_set_string(value, self->reason);
        break;
    case PROP_SINCE_MS:
        g_value_set_int64(value, self->since_ms);
        break;
    case PROP_STATUS:
        g_value_take_string(value, aivo_connection_dup_status(self));
        break;
    case PROP_QUEUE_CHANGED:
        g_value_set_uint(value, self->queue_changed);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
}

static void finalize(GObject *object)
{
    AivoConnection *self = AIVO_CONNECTION(object);
    aivo_profile_free(self->profile);
    aivo_quality_free(self->quality);
    g_free(self->reason);
    g_free(self->sid);
    g_object_unref(self->log);
    g_object_unref(self->series);
    G_OBJECT_CLASS(aivo_connection_parent_class)->finalize(object);
}

static void aivo_connection_class_init(AivoConnectionClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);
    const GParamFlags read = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
    object_class->get_property = get_property;
    object_class->finalize = finalize;
    props[PROP_PROFILE] = g_param_spec_boxed("profile", NULL, NULL, AIVO_TYPE_PROFILE, read);
    props[PROP_NAME] = g_param_spec_string("name", NULL, NULL, NULL, read);
    props[PROP_URL] = g_param_spec_string("url", NULL, NULL, NULL, read);
    props[PROP_STATE] = g_param_spec_enum("state", NULL, NULL, AIVO_TYPE_LINK_STATE, AIVO_LINK_DISCONNECTED, read);
    props[PROP_QUALITY] = g_param_spec_boxed("quality", NULL, NULL, AIVO_TYPE_QUALITY, read);
    props[PROP_REASON] = g_param_spec_string("reason", NULL, NULL, NULL, read);
    props[PROP_SINCE_MS] = g_param_spec_int64("since-ms", NULL, NULL, 0, G_MAXINT64, 0, read);
    props[PROP_STATUS] = g_param_spec_string("status", NULL, NULL, NULL, read);
    props[PROP_QUEUE_CHANGED] = g_param_spec_uint("queue-changed", NULL, NULL, 0, G_MAXUINT, 0, read);
    g_object_class_install_properties(object_class, PROP_COUNT, props);
    trouble_signal = g_signal_new("trouble", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
}

static void aivo_connection_init(AivoConnection *self)
{
    self->state = AIVO_LINK_DISCONNECTED;
    self->since_ms = g_get_real_time() / 1000;
    self->sid = g_strdup("");
    self->log = aivo_event_log_new();
    self->series = aivo_quality_series_new();
}

AivoConnection *aivo_connection_new(const AivoProfile *profile)
{
    AivoConnection *self = g_object_new(AIVO_TYPE_CONNECTION, NULL);
    self->profile = aivo_profile_copy(profile);
    return self;
}

const char *aivo_connection_get_id(AivoConnection *self)
{
    return self->profile->id;
}

const char *aivo_connection_get_name(AivoConnection *self)
{
    return self->profile->name;
}

const AivoProfile *aivo_connection_get_profile(AivoConnection *self)
{
    return self->profile;
}

AivoLinkState aivo_connection_get_state(AivoConnection *self)
{
    return self->state;
}

const struct aivo_quality *aivo_connection_get_quality(AivoConnection *self)
{
    return self->quality;
}

enum aivo_level aivo_connection_get_level(AivoConnection *self)
{
    return self->quality && self->state == AIVO_LINK_CONNECTED ? self->quality->level : AIVO_LEVEL_OFFLINE;
}

enum aivo_status aivo_connection_get_failure(AivoConnection *self)
{
    return self->failure;
}

void aivo_connection_set_failure(AivoConnection *self, enum aivo_status failure)
{
    self->failure = failure;
}

const char *aivo_connection_get_reason(AivoConnection *self)
{
    return self->reason;
}

gint64 aivo_connection_get_since(AivoConnection *self)
{
    return self->since_ms;
}

const char *aivo_connection_get_sid(AivoConnection *self)
{
    return self->sid;
}

const AivoQueueFigures *aivo_connection_get_queue(AivoConnection *self)
{
    return &self->queue;
}

AivoEventLog *aivo_connection_get_log(AivoConnection *self)
{
    return self->log;
}

AivoQualitySeries *aivo_connection_get_series(AivoConnection *self)
{
    return self->series;
}

char *aivo_connection_dup_dir(AivoConnection *self)
{
    return g_build_filename(g_get_user_data_dir(), "aivo-monitor", self->profile->id, NULL);
}

gboolean aivo_connection_owns_queue(AivoConnection *self)
{
    return !*self->profile->queue_path;
}

char *aivo_connection_dup_queue_path(AivoConnection *self)
{
    if (*self->profile->queue_path)
        return g_strdup(self->profile->queue_path);
    g_autofree char *dir = aivo_connection_dup_dir(self);
    return g_build_filename(dir, "queue.db", NULL);
}

char *aivo_connection_dup_history_path(AivoConnection *self)
{
    g_autofree char *dir = aivo_connection_dup_dir(self);
    return g_build_filename(dir, "history.db", NULL);
}

char *aivo_connection_dup_status(AivoConnection *self)
{
    if (self->profile->paused && self->state != AIVO_LINK_CONNECTED)
        return g_strdup(_("Paused"));
    switch (self->state) {
    case AIVO_LINK_CONNECTED:
        if (!self->quality || !self->quality->samples)
            return g_strdup(_("Measuring…"));
        return g_strdup(aivo_describe_level(self->quality->level));
    case AIVO_LINK_CONNECTING:
        return g_strdup(_("Connecting…"));
    case AIVO_LINK_RECONNECTING:
        return g_strdup(_("Offline, trying again"));
    case AIVO_LINK_CLOSING:
        return g_strdup(_("Disconnecting…"));
    case AIVO_LINK_FAILED:
        return g_strdup(_("Offline, given up"));
    case AIVO_LINK_DISCONNECTED:
    case AIVO_LINK_UNKNOWN:
        break;
    }
    return g_strdup(_("Not connected"));
}

/* ---------------------------------------------------------------- filling */

void aivo_connection_set_profile(AivoConnection *self, const AivoProfile *profile)
{
    AivoProfile *copy = aivo_profile_copy(profile);
    aivo_profile_free(self->profile);
    self->profile = copy;
    g_object_freeze_notify(G_OBJECT(self));
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_PROFILE]);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_NAME]);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_URL]);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_STATUS]);
    g_object_thaw_notify(G_OBJECT(self));
}

void aivo_connection_set_state(AivoConnection *self, AivoLinkState state, const char *reason)
{
    g_object_freeze_notify(G_OBJECT(self));
    if (self->state != state) {
        /* Who gives up has been without a connection since it was lost. */
        if (self->state != AIVO_LINK_RECONNECTING || state != AIVO_LINK_FAILED)
            self->since_ms = g_get_real_time() / 1000;
        self->state = state;
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_STATE]);
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_SINCE_MS]);
    }
    if (g_strcmp0(self->reason, reason) != 0) {
        g_free(self->reason);
        self->reason = g_strdup(reason);
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_REASON]);
    }
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_STATUS]);
    g_object_thaw_notify(G_OBJECT(self));
}

void aivo_connection_set_sid(AivoConnection *self, const char *sid)
{
    g_free(self->sid);
    self->sid = g_strdup(sid);
}

void aivo_connection_set_quality(AivoConnection *self, const struct aivo_quality *quality)
{
    aivo_quality_free(self->quality);
    self->quality = aivo_quality_copy(quality);
    if (quality)
        aivo_quality_series_append(self->series, quality);
    g_object_freeze_notify(G_OBJECT(self));
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_QUALITY]);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_STATUS]);
    g_object_thaw_notify(G_OBJECT(self));
}

void aivo_connection_set_queue(AivoConnection *self, const AivoQueueFigures *figures)
{
    if (memcmp(&self->queue, figures, sizeof *figures) == 0)
        return;
    self->queue = *figures;
    self->queue_changed++;
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_QUEUE_CHANGED]);
}

void aivo_connection_log(AivoConnection *self, AivoEventKind kind, AivoEventTone tone, const char *title,
                         const char *detail)
{
    aivo_event_log_add(self->log, g_get_real_time() / 1000, kind, tone, title, detail);
}

void aivo_connection_trouble(AivoConnection *self, const char *title, const char *detail)
{
    aivo_connection_log(self, AIVO_EVENT_NOTICE, AIVO_TONE_WARNING, title, detail);
    g_signal_emit(self, trouble_signal, 0, title, detail);
}
