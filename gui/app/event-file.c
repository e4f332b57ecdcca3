#include "event-file.h"
#include "profile-store.h"
#include "recorder.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define HEADER      "aivo-monitor events 1\n"
#define WRITE_S     1         /* events come in bursts */
#define PENDING_MAX (1 << 20) /* bytes that wait for a disk; beyond that events are in memory only */
#define FILE_MAX    (8 << 20)

struct _AivoEventFile {
    gatomicrefcount refs;
    char *path;
    AivoEventLog *log; /* a reference; the main thread's, as is source */
    guint source;
    GMutex lock; /* guards these: for moments only */
    GString *pending;
    gboolean clear;   /* what is in the file goes before pending comes */
    GMutex file_lock; /* guards the file and these: workers' */
    gboolean read, closed;
    gboolean torn; /* a half line is at the end: nothing may be added to that */
    guint lines;
};

char *aivo_event_file_mask(const char *text)
{
    static const char *const patterns[][2] = {
        {"eyJ[\\w-]{4,}\\.[\\w-]+(\\.[\\w-]*)?", "…"},
        {"([?&][^\\s=&?]+=)[^\\s&\"'“”]+", "\\1…"},
        {"://[^/\\s@]+@", "://…@"},
        {"(?i)(bearer\\s+)[^\\s\"',]+", "\\1…"},
    };
    char *masked = g_strdup(text);
    for (size_t i = 0; i < G_N_ELEMENTS(patterns); i++) {
        g_autoptr(GRegex) regex = g_regex_new(patterns[i][0], 0, 0, NULL);
        char *next = g_regex_replace(regex, masked, -1, 0, patterns[i][1], 0, NULL);
        if (!next) /* this is no UTF-8 */
            next = g_strdup("…");
        g_free(masked);
        masked = next;
    }
    return masked;
}

/* ------------------------------------------------------------------ lines */

static void add_line(GString *out, AivoEvent *event)
{
    g_autofree char *title = aivo_event_file_mask(aivo_event_get_title(event));
    g_autofree char *detail = aivo_event_file_mask(aivo_event_get_detail(event));
    g_autofree char *one = g_strescape(title, NULL), *two = g_strescape(detail, NULL);
    g_string_append_printf(out, "%" G_GINT64_FORMAT "\t%s\t%d\t%u\t%s\t%s\n", aivo_event_get_time(event),
                           aivo_event_kind_name(aivo_event_get_kind(event)), (int)aivo_event_get_tone(event),
                           aivo_event_get_count(event), one, two);
}

/* The entry before came again. */
static gboolean parse_again(char **fields, GPtrArray *events)
{
    gint64 time = 0;
    if (!events->len || !g_ascii_string_to_signed(fields[1], 10, 0, G_MAXINT64, &time, NULL))
        return FALSE;
    AivoEvent *last = g_ptr_array_index(events, events->len - 1);
    AivoEvent *again =
        aivo_event_new(time, aivo_event_get_kind(last), aivo_event_get_tone(last), aivo_event_get_count(last) + 1,
                       aivo_event_get_title(last), aivo_event_get_detail(last));
    g_ptr_array_remove_index(events, events->len - 1);
    g_ptr_array_add(events, again);
    return TRUE;
}

static gboolean parse_line(const char *line, GPtrArray *events)
{
    g_auto(GStrv) fields = g_strsplit(line, "\t", 7);
    gint64 time = 0;
    guint64 tone = 0, count = 0;
    AivoEventKind kind = AIVO_EVENT_STATE;
    if (g_strv_length(fields) == 2 && g_str_equal(fields[0], "="))
        return parse_again(fields, events);
    if (g_strv_length(fields) != 6 || !g_ascii_string_to_signed(fields[0], 10, 0, G_MAXINT64, &time, NULL) ||
        !aivo_event_kind_from_name(fields[1], &kind) ||
        !g_ascii_string_to_unsigned(fields[2], 10, 0, AIVO_TONE_BAD, &tone, NULL) ||
        !g_ascii_string_to_unsigned(fields[3], 10, 1, G_MAXUINT, &count, NULL))
        return FALSE;
    g_autofree char *title = g_strcompress(fields[4]), *detail = g_strcompress(fields[5]);
    if (!g_utf8_validate(title, -1, NULL) || !g_utf8_validate(detail, -1, NULL))
        return FALSE;
    g_ptr_array_add(events, aivo_event_new(time, kind, (AivoEventTone)tone, (guint)count, title, detail));
    return TRUE;
}

/* Whole lines; what follows the last of them was being written when the program ended. FALSE: it is no such file. */
static gboolean parse(AivoEventFile *file, const char *text, gsize len, GPtrArray *events)
{
    if (strlen(text) != len || !g_str_has_prefix(text, HEADER))
        return FALSE;
    text += strlen(HEADER);
    for (const char *end = strchr(text, '\n'); end; end = strchr(text, '\n')) {
        g_autofree char *line = g_strndup(text, (gsize)(end - text));
        if (!parse_line(line, events))
            return FALSE;
        text = end + 1;
        file->lines++;
    }
    file->torn = *text;
    return TRUE;
}

/* ------------------------------------------------------------------- file */

/* What the file holds, oldest first; NULL: nothing can be had of it, and why. file_lock is held. */
static GPtrArray *load(AivoEventFile *file, char **why)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize len = 0;
    GStatBuf at;
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(g_object_unref);
    file->lines = 0;
    file->torn = FALSE;
    if (g_stat(file->path, &at) != 0 && errno == ENOENT)
        return g_steal_pointer(&events);
    if (at.st_size > FILE_MAX)
        *why = g_strdup(_("it is too large"));
    else if (!g_file_get_contents(file->path, &text, &len, &error))
        *why = g_strdup(error->message);
    else if (!parse(file, text, len, events))
        *why = g_strdup(_("a line makes no sense"));
    return *why ? NULL : g_steal_pointer(&events);
}

/* Leaves the newest, none older than border_ms, in the array and in the file. file_lock is held. */
static void keep(AivoEventFile *file, GPtrArray *events, gint64 border_ms)
{
    g_autoptr(GString) text = g_string_new(HEADER);
    guint first = events->len > AIVO_EVENT_FILE_KEEP ? events->len - AIVO_EVENT_FILE_KEEP : 0;
    while (first < events->len && aivo_event_get_time(g_ptr_array_index(events, first)) < border_ms)
        first++;
    if (!first && !file->torn && file->lines <= 2 * AIVO_EVENT_FILE_KEEP)
        return;
    if (first)
        g_ptr_array_remove_range(events, 0, first);
    for (guint i = 0; i < events->len; i++)
        add_line(text, g_ptr_array_index(events, i));
    if (g_file_set_contents_full(file->path, text->str, (gssize)text->len, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL))
        file->lines = events->len;
}

/* file_lock is held. */
static void shorten(AivoEventFile *file, gint64 border_ms)
{
    g_autofree char *why = NULL;
    g_autoptr(GPtrArray) events = load(file, &why);
    if (events)
        keep(file, events, border_ms);
}

static GPtrArray *read_locked(AivoEventFile *file, guint days, char **notice)
{
    g_autofree char *why = NULL;
    g_autoptr(GPtrArray) events = load(file, &why);
    if (!events) {
        g_autofree char *aside = aivo_put_aside(file->path);
        *notice = aside ? g_strdup_printf(
                              _("The file of events was damaged: it was put aside as %s, and a new one begins (%s)"),
                              aside, why)
                        : g_strdup_printf(_("No events are kept: %s"), why);
        file->closed = !aside;
        file->lines = 0;
        return NULL;
    }
    keep(file, events, aivo_recorder_border(days, g_get_real_time() / 1000));
    for (guint i = 0; i < events->len / 2; i++) {
        gpointer swap = events->pdata[i];
        events->pdata[i] = events->pdata[events->len - 1 - i];
        events->pdata[events->len - 1 - i] = swap;
    }
    return g_steal_pointer(&events);
}

GPtrArray *aivo_event_file_read(AivoEventFile *file, guint days, char **notice)
{
    g_mutex_lock(&file->file_lock);
    GPtrArray *events = file->read ? NULL : read_locked(file, days, notice);
    file->read = TRUE;
    g_mutex_unlock(&file->file_lock);
    return events;
}

static void append(AivoEventFile *file, const GString *text)
{
    g_autofree char *dir = g_path_get_dirname(file->path);
    g_mkdir_with_parents(dir, 0700);
    int fd = g_open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    gboolean empty = lseek(fd, 0, SEEK_END) == 0;
    g_autofree char *all = g_strconcat(empty ? HEADER : "", text->str, NULL);
    gsize len = strlen(all);
    gboolean whole = write(fd, all, len) == (gssize)len;
    g_close(fd, NULL);
    for (const char *line = strchr(text->str, '\n'); line; line = strchr(line + 1, '\n'))
        file->lines++;
    if (!whole || file->lines > 2 * AIVO_EVENT_FILE_KEEP) /* a full disk leaves a half line */
        shorten(file, 0);
}

void aivo_event_file_flush(AivoEventFile *file)
{
    g_mutex_lock(&file->file_lock);
    if (file->read && !file->closed) {
        g_mutex_lock(&file->lock);
        g_autoptr(GString) text = g_steal_pointer(&file->pending);
        file->pending = g_string_new(NULL);
        gboolean clear = file->clear;
        file->clear = FALSE;
        g_mutex_unlock(&file->lock);
        if (clear) {
            g_unlink(file->path);
            file->lines = 0;
        }
        if (text->len)
            append(file, text);
    }
    g_mutex_unlock(&file->file_lock);
}

void aivo_event_file_prune(AivoEventFile *file, guint days)
{
    g_mutex_lock(&file->file_lock);
    if (file->read && !file->closed)
        shorten(file, aivo_recorder_border(days, g_get_real_time() / 1000));
    g_mutex_unlock(&file->file_lock);
}

void aivo_event_file_delete(AivoEventFile *file)
{
    g_mutex_lock(&file->file_lock);
    file->closed = TRUE;
    g_unlink(file->path);
    g_mutex_unlock(&file->file_lock);
}

/* -------------------------------------------------------------------- log */

static void flush_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    aivo_event_file_flush(data);
    g_task_return_boolean(task, TRUE);
}

static gboolean write_due(gpointer user)
{
    AivoEventFile *file = user;
    file->source = 0;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);
    g_task_set_task_data(task, aivo_event_file_ref(file), (GDestroyNotify)aivo_event_file_unref);
    g_task_run_in_thread(task, flush_thread);
    return G_SOURCE_REMOVE;
}

static void logged(AivoEvent *event, gboolean again, gpointer user)
{
    AivoEventFile *file = user;
    g_mutex_lock(&file->lock);
    if (!event) {
        g_string_truncate(file->pending, 0);
        file->clear = TRUE;
    } else if (file->pending->len < PENDING_MAX) {
        if (again)
            g_string_append_printf(file->pending, "=\t%" G_GINT64_FORMAT "\n", aivo_event_get_time(event));
        else
            add_line(file->pending, event);
    }
    g_mutex_unlock(&file->lock);
    if (!file->source)
        file->source = g_timeout_add_seconds(WRITE_S, write_due, file);
}

AivoEventFile *aivo_event_file_new(const char *path, AivoEventLog *log)
{
    AivoEventFile *file = g_new0(AivoEventFile, 1);
    g_atomic_ref_count_init(&file->refs);
    g_mutex_init(&file->lock);
    g_mutex_init(&file->file_lock);
    file->path = g_strdup(path);
    file->pending = g_string_new(NULL);
    if (log) {
        file->log = g_object_ref(log);
        aivo_event_log_set_sink(log, logged, file);
    }
    return file;
}

AivoEventFile *aivo_event_file_ref(AivoEventFile *file)
{
    g_atomic_ref_count_inc(&file->refs);
    return file;
}

void aivo_event_file_detach(AivoEventFile *file)
{
    g_clear_handle_id(&file->source, g_source_remove);
    if (file->log)
        aivo_event_log_set_sink(file->log, NULL, NULL);
    g_clear_object(&file->log);
}

void aivo_event_file_unref(AivoEventFile *file)
{
    if (!file || !g_atomic_ref_count_dec(&file->refs))
        return;
    g_mutex_clear(&file->lock);
    g_mutex_clear(&file->file_lock);
    g_string_free(file->pending, TRUE);
    g_free(file->path);
    g_free(file);
}
