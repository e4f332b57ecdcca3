#include "event-log.h"

struct _AivoEvent {
    GObject parent;
    gint64 time_ms;
    AivoEventKind kind;
    AivoEventTone tone;
    char *title, *detail;
    guint count;
};

G_DEFINE_FINAL_TYPE(AivoEvent, aivo_event, G_TYPE_OBJECT)

enum { PROP_COUNT = 1, N_PROPS };

static GParamSpec *props[N_PROPS];

static void aivo_event_get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    if (id == PROP_COUNT)
        g_value_set_uint(value, AIVO_EVENT(object)->count);
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void aivo_event_finalize(GObject *object)
{
    AivoEvent *event = AIVO_EVENT(object);
    g_free(event->title);
    g_free(event->detail);
    G_OBJECT_CLASS(aivo_event_parent_class)->finalize(object);
}

static void aivo_event_class_init(AivoEventClass *class)
{
    G_OBJECT_CLASS(class)->finalize = aivo_event_finalize;
    G_OBJECT_CLASS(class)->get_property = aivo_event_get_property;
    props[PROP_COUNT] =
        g_param_spec_uint("count", NULL, NULL, 1, G_MAXUINT, 1, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(G_OBJECT_CLASS(class), N_PROPS, props);
}

static void aivo_event_init(AivoEvent *event)
{
    event->count = 1;
}

AivoEvent *aivo_event_new(gint64 time_ms, AivoEventKind kind, AivoEventTone tone, guint count, const char *title,
                          const char *detail)
{
    AivoEvent *event = g_object_new(AIVO_TYPE_EVENT, NULL);
    event->time_ms = time_ms;
    event->kind = kind;
    event->tone = tone;
    event->count = count;
    event->title = g_strdup(title);
    event->detail = g_strdup(detail);
    return event;
}

gint64 aivo_event_get_time(AivoEvent *event)
{
    return event->time_ms;
}

AivoEventKind aivo_event_get_kind(AivoEvent *event)
{
    return event->kind;
}

AivoEventTone aivo_event_get_tone(AivoEvent *event)
{
    return event->tone;
}

const char *aivo_event_get_title(AivoEvent *event)
{
    return event->title;
}

const char *aivo_event_get_detail(AivoEvent *event)
{
    return event->detail;
}

guint aivo_event_get_count(AivoEvent *event)
{
    return event->count;
}

static const char *const kind_names[] = {"state", "drop", "level", "queue", "notice"};

const char *aivo_event_kind_name(AivoEventKind kind)
{
    return kind_names[kind];
}

gboolean aivo_event_kind_from_name(const char *name, AivoEventKind *out)
{
    for (guint i = 0; i < G_N_ELEMENTS(kind_names); i++)
        if (g_str_equal(kind_names[i], name)) {
            *out = (AivoEventKind)i;
            return TRUE;
        }
    return FALSE;
}

const char *aivo_event_kind_icon(AivoEvent *event)
{
    switch (event->kind) {
    case AIVO_EVENT_STATE:
        return event->tone == AIVO_TONE_GOOD ? "emblem-ok-symbolic" : "network-idle-symbolic";
    case AIVO_EVENT_DROP:
        return "network-offline-symbolic";
    case AIVO_EVENT_LEVEL:
        return event->tone == AIVO_TONE_GOOD ? "go-up-symbolic" : "go-down-symbolic";
    case AIVO_EVENT_QUEUE:
        return "mail-unread-symbolic";
    case AIVO_EVENT_NOTICE:
        break;
    }
    return "dialog-information-symbolic";
}

/* -------------------------------------------------------------------- log */

struct _AivoEventLog {
    GObject parent;
    GListStore *events;
    AivoEventSink sink;
    gpointer sink_user;
};

static GType get_item_type(GListModel *model)
{
    (void)model;
    return AIVO_TYPE_EVENT;
}

static guint get_n_items(GListModel *model)
{
    return g_list_model_get_n_items(G_LIST_MODEL(AIVO_EVENT_LOG(model)->events));
}

static gpointer get_item(GListModel *model, guint position)
{
    return g_list_model_get_item(G_LIST_MODEL(AIVO_EVENT_LOG(model)->events), position);
}

static void list_model_init(GListModelInterface *iface)
{
    iface->get_item_type = get_item_type;
    iface->get_n_items = get_n_items;
    iface->get_item = get_item;
}

G_DEFINE_FINAL_TYPE_WITH_CODE(AivoEventLog, aivo_event_log, G_TYPE_OBJECT,
                              G_IMPLEMENT_INTERFACE(G_TYPE_LIST_MODEL, list_model_init))

static void aivo_event_log_finalize(GObject *object)
{
    g_object_unref(AIVO_EVENT_LOG(object)->events);
    G_OBJECT_CLASS(aivo_event_log_parent_class)->finalize(object);
}

static void aivo_event_log_class_init(AivoEventLogClass *class)
{
    G_OBJECT_CLASS(class)->finalize = aivo_event_log_finalize;
}

static void aivo_event_log_init(AivoEventLog *log)
{
    log->events = g_list_store_new(AIVO_TYPE_EVENT);
    g_signal_connect_object(log->events, "items-changed", G_CALLBACK(g_list_model_items_changed), log,
                            G_CONNECT_SWAPPED);
}

AivoEventLog *aivo_event_log_new(void)
{
    return g_object_new(AIVO_TYPE_EVENT_LOG, NULL);
}

static void tell_sink(AivoEventLog *log, AivoEvent *event, gboolean again)
{
    if (log->sink)
        log->sink(event, again, log->sink_user);
}

void aivo_event_log_add(AivoEventLog *log, gint64 time_ms, AivoEventKind kind, AivoEventTone tone, const char *title,
                        const char *detail)
{
    detail = detail ? detail : "";
    g_autoptr(AivoEvent) newest = g_list_model_get_item(G_LIST_MODEL(log->events), 0);
    if (newest && newest->kind == kind && g_str_equal(newest->title, title) && g_str_equal(newest->detail, detail)) {
        newest->count++;
        newest->time_ms = time_ms;
        g_object_notify_by_pspec(G_OBJECT(newest), props[PROP_COUNT]);
        tell_sink(log, newest, TRUE);
        return;
    }
    g_autoptr(AivoEvent) event = aivo_event_new(time_ms, kind, tone, 1, title, detail);
    g_list_store_insert(log->events, 0, event);
    tell_sink(log, event, FALSE);
    guint n = g_list_model_get_n_items(G_LIST_MODEL(log->events));
    if (n > AIVO_EVENT_LOG_MAX)
        g_list_store_splice(log->events, AIVO_EVENT_LOG_MAX, n - AIVO_EVENT_LOG_MAX, NULL, 0);
}

void aivo_event_log_clear(AivoEventLog *log)
{
    g_list_store_remove_all(log->events);
    tell_sink(log, NULL, FALSE);
}

void aivo_event_log_add_old(AivoEventLog *log, GPtrArray *events)
{
    guint n = g_list_model_get_n_items(G_LIST_MODEL(log->events));
    if (n < AIVO_EVENT_LOG_MAX)
        g_list_store_splice(log->events, n, 0, events->pdata, MIN(events->len, AIVO_EVENT_LOG_MAX - n));
}

void aivo_event_log_set_sink(AivoEventLog *log, AivoEventSink fn, gpointer user)
{
    log->sink = fn;
    log->sink_user = user;
}
