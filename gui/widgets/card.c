#include "glyph.h"
#include "header.h"
#include "style.h"
#include "tiles.h"
#include "view.h"
#include "word.h"
#include <aivo-gtk/card.h>
#include <math.h>

struct cause_row {
    GtkWidget *box, *icon, *words, *points;
};

struct _AivoQualityCard {
    GtkWidget parent_instance;
    GtkWidget *header, *bars, *mark, *word, *title, *score_box, *score, *score_caption, *reason, *reason_box, *status;
    GtkWidget *figures, *now, *average, *loss, *interval, *brief;
    GtkWidget *marks, *stable_box, *stable_icon, *stable, *checked_icon, *checked, *why;
    GtkWidget *why_title;
    struct cause_row rows[AIVO_QUALITY_CAUSES]; /* made when first needed, then shown and hidden */
    struct aivo_quality *quality;
    AivoLinkState state;
    int64_t since_ms;         /* when the state began; 0: not told */
    GtkWidget *reason_widget; /* the program's, beside the reason */
    char *title_text, *reason_text;
    gboolean compact, high_contrast;
    bool contrast_told; /* by the program: the theme's name does not count any more */
    struct agk_view view;
    guint ticker; /* for "last checked"; 0 while nobody looks */
};

enum {
    PROP_QUALITY = 1,
    PROP_STATE,
    PROP_TITLE,
    PROP_REASON,
    PROP_REASON_WIDGET,
    PROP_SINCE_MS,
    PROP_COMPACT,
    PROP_HIGH_CONTRAST,
    PROP_WORD,
    N_PROPS
};
static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE(AivoQualityCard, aivo_quality_card, GTK_TYPE_WIDGET)

/* ---- texts ---- */

/* Words for the eye; where they are a figure, others for the ear. */
static void set_text(GtkWidget *label, const char *text, const char *spoken)
{
    char directed[AGK_SPEECH];
    /* A figure without a letter would be turned round by a right-to-left neighbourhood. */
    bool rtl = spoken && gtk_widget_get_direction(label) == GTK_TEXT_DIR_RTL;
    g_snprintf(directed, sizeof(directed), "%s%s", rtl ? "\xe2\x80\x8e" : "", text);
    bool word = AGK_IS_WORD(label);
    if (g_strcmp0(word ? agk_word_get_text(AGK_WORD(label)) : gtk_label_get_text(GTK_LABEL(label)), directed) == 0) {
        return;
    }
    if (word) {
        agk_word_set_text(AGK_WORD(label), directed);
    } else {
        gtk_label_set_text(GTK_LABEL(label), directed);
    }
    if (spoken) { /* after the text, which GTK would say otherwise */
        gtk_accessible_update_property(GTK_ACCESSIBLE(label), GTK_ACCESSIBLE_PROPERTY_LABEL, spoken, -1);
    }
}

static int64_t age_s(const AivoQualityCard *self)
{
    if (!self->quality || self->quality->time_ms <= 0) {
        return -1;
    }
    int64_t age = g_get_real_time() / 1000 - self->quality->time_ms;
    return age < 0 ? 0 : age / 1000; /* a clock that was set back: "now" */
}

static int64_t down_s(const AivoQualityCard *self)
{
    int64_t down = self->since_ms > 0 && self->view.status ? g_get_real_time() / 1000 - self->since_ms : -1;
    return down < 0 ? -1 : down / 1000;
}

/* "Trying again · offline for 22 s" */
static void update_status(AivoQualityCard *self)
{
    char text[AGK_SPEECH] = "", lasting[AGK_TEXT];
    if (self->view.status && down_s(self) >= 0) {
        agk_format_lasting(down_s(self), lasting);
        g_snprintf(text, sizeof(text), "%s \xc2\xb7 offline for %s", self->view.status, lasting);
    } else if (self->view.status) {
        g_snprintf(text, sizeof(text), "%s", self->view.status);
    }
    set_text(self->status, text, NULL);
    gtk_widget_set_visible(self->status, *text && !self->compact);
}

static void update_checked(AivoQualityCard *self)
{
    char ago[AGK_TEXT], text[2 * AGK_TEXT], spoken[2 * AGK_TEXT];
    int64_t age = age_s(self);
    if (age < 0) {
        set_text(self->checked, "Not checked yet", NULL);
    } else {
        agk_format_ago(age, ago);
        g_snprintf(text, sizeof(text), "Checked %s", ago);
        agk_speak_ago(age, ago);
        g_snprintf(spoken, sizeof(spoken), "Last checked %s", ago);
        set_text(self->checked, text, spoken);
    }
    if (self->compact) {
        char line[AGK_SPEECH];
        if (self->view.connected) {
            agk_format_ago(age, ago);
            g_snprintf(line, sizeof(line), "%s now \xc2\xb7 loss %s \xc2\xb7 %s \xc2\xb7 %s", self->view.now,
                       self->view.loss, self->view.stability, ago);
        } else {
            GtkWidget *told = self->view.status ? self->status : self->checked;
            g_snprintf(line, sizeof(line), "%s", gtk_label_get_text(GTK_LABEL(told)));
        }
        set_text(self->brief, line, NULL);
    }
}

/* ---- last checked ---- */

static void restart_ticker(AivoQualityCard *self);

static gboolean tick(gpointer user)
{
    AivoQualityCard *self = user;
    self->ticker = 0;
    update_status(self);
    update_checked(self);
    restart_ticker(self);
    return G_SOURCE_REMOVE;
}

/* Wakes when the text will read otherwise, and only while it is on a screen. */
static void restart_ticker(AivoQualityCard *self)
{
    g_clear_handle_id(&self->ticker, g_source_remove);
    int64_t age = age_s(self), down = down_s(self);
    if ((age >= 0 || down >= 0) && gtk_widget_get_mapped(GTK_WIDGET(self))) {
        unsigned next = MIN(age >= 0 ? agk_ago_next(age) : G_MAXINT, down >= 0 ? agk_ago_next(down) : G_MAXINT);
        self->ticker = g_timeout_add_seconds(next, tick, self);
    }
}

static void map(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(aivo_quality_card_parent_class)->map(widget);
    update_status(AIVO_QUALITY_CARD(widget));
    update_checked(AIVO_QUALITY_CARD(widget));
    restart_ticker(AIVO_QUALITY_CARD(widget));
}

static void unmap(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(aivo_quality_card_parent_class)->unmap(widget);
    g_clear_handle_id(&AIVO_QUALITY_CARD(widget)->ticker, g_source_remove);
}

/* ---- why not better ---- */

static void make_row(AivoQualityCard *self, struct cause_row *row)
{
    row->box = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 8);
    row->icon = g_object_new(GTK_TYPE_IMAGE, "accessible-role", GTK_ACCESSIBLE_ROLE_PRESENTATION, "valign",
                             GTK_ALIGN_START, NULL);
    row->words = g_object_new(GTK_TYPE_LABEL, "xalign", 0.0, "wrap", TRUE, "wrap-mode", PANGO_WRAP_WORD_CHAR, "hexpand",
                              TRUE, NULL);
    row->points = g_object_new(GTK_TYPE_LABEL, "xalign", 1.0, "valign", GTK_ALIGN_START, NULL);
    gtk_widget_add_css_class(row->points, "aivo-number");
    /* In a box that has no baseline: GTK 4.8 adds an icon's up in one of its two sums only, and complains. */
    GtkWidget *place = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 0);
    gtk_widget_set_layout_manager(place, g_object_new(AGK_TYPE_TILES, NULL));
    gtk_widget_set_valign(place, GTK_ALIGN_START);
    gtk_box_append(GTK_BOX(place), row->icon);
    gtk_box_append(GTK_BOX(row->box), place);
    gtk_box_append(GTK_BOX(row->box), row->words);
    gtk_box_append(GTK_BOX(row->box), row->points);
    gtk_box_append(GTK_BOX(self->why), row->box);
}

static void fill_row(struct cause_row *row, const struct aivo_quality_cause *cause)
{
    char icon[48], points[AGK_TEXT], spoken[AGK_TEXT];
    g_snprintf(icon, sizeof(icon), "aivo-%s-symbolic",
               (unsigned)cause->cause < AIVO_QUALITY_CAUSES ? aivo_cause_name(cause->cause) : "dead");
    gtk_image_set_from_icon_name(GTK_IMAGE(row->icon), icon);
    set_text(row->words, agk_cause_words(cause->cause), NULL);
    agk_format_points(cause->points, points);
    if (cause->points >= 0.5) {
        g_snprintf(spoken, sizeof(spoken), "costs %s points", points + strlen(AGK_MINUS));
    } else {
        g_snprintf(spoken, sizeof(spoken), "costs no points");
    }
    set_text(row->points, points, spoken);
}

static void update_why(AivoQualityCard *self)
{
    const struct aivo_quality *q = self->quality;
    bool told = q && (self->view.connected || self->view.kind == AGK_OFFLINE);
    size_t most = self->compact ? 1 : AIVO_QUALITY_CAUSES, shown = 0;
    for (size_t i = 0; told && i < q->cause_count && shown < most; i++) {
        if (agk_cause_counts(&q->causes[i])) {
            struct cause_row *row = &self->rows[shown++];
            if (!row->box) {
                make_row(self, row);
            }
            fill_row(row, &q->causes[i]);
        }
    }
    for (size_t i = 0; i < AIVO_QUALITY_CAUSES; i++) {
        if (self->rows[i].box) {
            gtk_widget_set_visible(self->rows[i].box, i < shown);
        }
    }
    bool best = self->view.connected && shown == 0;
    set_text(self->why_title,
             best                   ? "Nothing takes points off"
             : self->view.connected ? "Why it is not better"
                                    : "Why it is offline",
             NULL);
    gtk_widget_set_visible(self->why_title, !self->compact && (best || shown > 0));
    gtk_widget_set_visible(self->why, gtk_widget_get_visible(self->why_title) || shown > 0);
}

/* ---- all of it ---- */

static void restyle(AivoQualityCard *self)
{
    struct agk_scheme scheme = agk_style_apply(GTK_WIDGET(self), &self->view, self->high_contrast);
    agk_glyph_set(AGK_GLYPH(self->bars), self->view.kind, self->view.suspect, scheme);
    agk_glyph_set(AGK_GLYPH(self->mark), self->view.kind, self->view.suspect, scheme);
}

/* The line below the level: why there is no connection, or that there is some doubt about it. */
static const char *reason_of(const AivoQualityCard *self)
{
    if (self->view.connected) {
        return self->view.suspect ? "An answer is overdue" : "";
    }
    return self->reason_text ? self->reason_text : "";
}

static bool is_known(const char *figure)
{
    return strcmp(figure, AGK_DASH) != 0;
}

/* While connected every figure has its place, known or not. Else what is not known leaves its room to the reason. */
static void update_figures(AivoQualityCard *self)
{
    const struct agk_view *view = &self->view;
    bool all = view->kind != AGK_OFFLINE;
    bool now = all || is_known(view->now), average = all || is_known(view->average), loss = all || is_known(view->loss);
    gtk_widget_set_visible(gtk_widget_get_parent(self->now), now);
    gtk_widget_set_visible(gtk_widget_get_parent(self->average), average);
    gtk_widget_set_visible(gtk_widget_get_parent(self->loss), loss);
    gtk_widget_set_visible(self->interval, all || is_known(view->interval));
    gtk_widget_set_visible(self->figures, !self->compact && (now || average || loss));
    gtk_widget_set_visible(self->score_box, all || is_known(view->score));
    gtk_widget_set_visible(self->stable_box, all || view->stable >= 0);
}

static void update_shape(AivoQualityCard *self)
{
    if (gtk_widget_has_css_class(GTK_WIDGET(self), "aivo-compact") != self->compact) {
        (self->compact ? gtk_widget_add_css_class : gtk_widget_remove_css_class)(GTK_WIDGET(self), "aivo-compact");
    }
    g_object_set(self->bars, "size", self->compact ? 30 : 52, NULL);
    g_object_set(self->mark, "size", self->compact ? 13 : 18, NULL);
    gtk_box_layout_set_spacing(GTK_BOX_LAYOUT(gtk_widget_get_layout_manager(GTK_WIDGET(self))), self->compact ? 6 : 12);
    update_figures(self);
    gtk_widget_set_visible(self->marks, !self->compact);
    gtk_widget_set_visible(self->score_caption, !self->compact);
    gtk_widget_set_visible(self->brief, self->compact);
    gtk_widget_set_visible(self->title, self->title_text && *self->title_text);
    gtk_widget_set_visible(self->reason, *reason_of(self) != '\0');
    gtk_widget_set_visible(self->reason_box, *reason_of(self) != '\0' || (self->view.alarm && self->reason_widget));
    if (self->reason_widget) {
        gtk_widget_set_visible(self->reason_widget, self->view.alarm && !self->compact);
    }
}

static void update(AivoQualityCard *self)
{
    struct agk_view *view = &self->view;
    const char *old_word = view->word;
    char old_label[AGK_SPEECH], old_description[AGK_SPEECH];
    g_strlcpy(old_label, view->label, sizeof(old_label));
    g_strlcpy(old_description, view->description, sizeof(old_description));
    agk_view_make(view, self->quality, (enum agk_link)self->state, self->title_text, self->reason_text);
    update_shape(self);
    restyle(self);
    set_text(self->word, view->word, NULL);
    set_text(self->title, self->title_text ? self->title_text : "", NULL);
    set_text(self->reason, reason_of(self), NULL);
    set_text(self->score, view->score, strcmp(view->score, AGK_DASH) == 0 ? "score unknown" : view->score);
    set_text(self->now, view->now, view->spoken_now);
    set_text(self->average, view->average, view->spoken_average);
    set_text(self->loss, view->loss, view->spoken_loss);
    set_text(self->interval, view->interval, view->spoken_interval);
    set_text(self->stable, view->stability, view->spoken_stability);
    gtk_image_set_from_icon_name(GTK_IMAGE(self->stable_icon), view->stable < 0   ? "aivo-unknown-symbolic"
                                                               : view->stable > 0 ? "aivo-stable-symbolic"
                                                                                  : "aivo-jitter-symbolic");
    update_status(self);
    update_checked(self);
    update_why(self);
    restart_ticker(self);
    if (strcmp(old_label, view->label) != 0 || strcmp(old_description, view->description) != 0) {
        gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, view->label,
                                       GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, view->description, -1);
    }
    if (g_strcmp0(old_word, view->word) != 0) {
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_WORD]);
    }
}

/* A title that had to be shortened is there in full. */
static gboolean title_tooltip(AivoQualityCard *self, int x, int y, gboolean keyboard, GtkTooltip *tooltip)
{
    (void)x;
    (void)y;
    (void)keyboard;
    if (!pango_layout_is_ellipsized(gtk_label_get_layout(GTK_LABEL(self->title)))) {
        return FALSE;
    }
    gtk_tooltip_set_text(tooltip, self->title_text);
    return TRUE;
}

static void css_changed(GtkWidget *widget, GtkCssStyleChange *change)
{
    GTK_WIDGET_CLASS(aivo_quality_card_parent_class)->css_changed(widget, change);
    restyle(AIVO_QUALITY_CARD(widget));
}

static void direction_changed(GtkWidget *widget, GtkTextDirection old)
{
    GTK_WIDGET_CLASS(aivo_quality_card_parent_class)->direction_changed(widget, old);
    update(AIVO_QUALITY_CARD(widget));
}

/* ---- GObject ---- */

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    AivoQualityCard *self = AIVO_QUALITY_CARD(object);
    switch (id) {
    case PROP_QUALITY:
        g_value_set_boxed(value, self->quality);
        break;
    case PROP_STATE:
        g_value_set_enum(value, self->state);
        break;
    case PROP_TITLE:
        g_value_set_string(value, self->title_text);
        break;
    case PROP_REASON:
        g_value_set_string(value, self->reason_text);
        break;
    case PROP_REASON_WIDGET:
        g_value_set_object(value, self->reason_widget);
        break;
    case PROP_SINCE_MS:
        g_value_set_int64(value, self->since_ms);
        break;
    case PROP_COMPACT:
        g_value_set_boolean(value, self->compact);
        break;
    case PROP_HIGH_CONTRAST:
        g_value_set_boolean(value, self->high_contrast);
        break;
    case PROP_WORD:
        g_value_set_string(value, self->view.word);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    AivoQualityCard *self = AIVO_QUALITY_CARD(object);
    switch (id) {
    case PROP_QUALITY:
        aivo_quality_free(self->quality);
        self->quality = g_value_dup_boxed(value);
        break;
    case PROP_STATE:
        self->state = g_value_get_enum(value);
        break;
    case PROP_TITLE:
        g_free(self->title_text);
        self->title_text = g_value_dup_string(value);
        break;
    case PROP_REASON:
        g_free(self->reason_text);
        self->reason_text = g_value_dup_string(value);
        break;
    case PROP_REASON_WIDGET:
        if (self->reason_widget) {
            gtk_box_remove(GTK_BOX(self->reason_box), self->reason_widget);
        }
        self->reason_widget = g_value_get_object(value);
        if (self->reason_widget) {
            gtk_box_append(GTK_BOX(self->reason_box), self->reason_widget);
        }
        break;
    case PROP_SINCE_MS:
        self->since_ms = g_value_get_int64(value);
        break;
    case PROP_COMPACT:
        self->compact = g_value_get_boolean(value);
        break;
    case PROP_HIGH_CONTRAST:
        self->high_contrast = g_value_get_boolean(value);
        self->contrast_told = true;
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
        return;
    }
    update(self);
}

static void dispose(GObject *object)
{
    AivoQualityCard *self = AIVO_QUALITY_CARD(object);
    g_clear_handle_id(&self->ticker, g_source_remove);
    GtkWidget *child;
    while ((child = gtk_widget_get_first_child(GTK_WIDGET(self)))) {
        gtk_widget_unparent(child);
    }
    G_OBJECT_CLASS(aivo_quality_card_parent_class)->dispose(object);
}

static void finalize(GObject *object)
{
    AivoQualityCard *self = AIVO_QUALITY_CARD(object);
    aivo_quality_free(self->quality);
    g_free(self->title_text);
    g_free(self->reason_text);
    G_OBJECT_CLASS(aivo_quality_card_parent_class)->finalize(object);
}

static void bind_children(GtkWidgetClass *widget)
{
    gtk_widget_class_set_template_from_resource(widget, "/io/github/artpromedia/aivo-gtk/card.ui");
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, header);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, bars);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, mark);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, word);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, title);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, score_box);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, score);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, score_caption);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, reason);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, reason_box);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, status);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, figures);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, now);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, average);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, loss);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, interval);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, brief);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, marks);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, stable_box);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, stable_icon);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, stable);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, checked_icon);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, checked);
    gtk_widget_class_bind_template_child(widget, AivoQualityCard, why);
}

static void aivo_quality_card_class_init(AivoQualityCardClass *class)
{
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    GObjectClass *object = G_OBJECT_CLASS(class);
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);
    agk_style_resources();
    object->get_property = get_property;
    object->set_property = set_property;
    object->dispose = dispose;
    object->finalize = finalize;
    widget->css_changed = css_changed;
    widget->direction_changed = direction_changed;
    widget->map = map;
    widget->unmap = unmap;
    props[PROP_QUALITY] = g_param_spec_boxed("quality", NULL, NULL, AIVO_TYPE_QUALITY, flags);
    props[PROP_STATE] = g_param_spec_enum("state", NULL, NULL, AIVO_TYPE_LINK_STATE, AIVO_LINK_UNKNOWN, flags);
    props[PROP_TITLE] = g_param_spec_string("title", NULL, NULL, NULL, flags);
    props[PROP_REASON] = g_param_spec_string("reason", NULL, NULL, NULL, flags);
    props[PROP_REASON_WIDGET] = g_param_spec_object("reason-widget", NULL, NULL, GTK_TYPE_WIDGET, flags);
    props[PROP_SINCE_MS] = g_param_spec_int64("since-ms", NULL, NULL, 0, G_MAXINT64, 0, flags);
    props[PROP_COMPACT] = g_param_spec_boolean("compact", NULL, NULL, FALSE, flags);
    props[PROP_HIGH_CONTRAST] = g_param_spec_boolean("high-contrast", NULL, NULL, FALSE, flags);
    props[PROP_WORD] = g_param_spec_string("level-word", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object, N_PROPS, props);
    g_type_ensure(AGK_TYPE_GLYPH);
    g_type_ensure(AGK_TYPE_HEADER);
    g_type_ensure(AGK_TYPE_TILES);
    g_type_ensure(AGK_TYPE_WORD);
    bind_children(widget);
    gtk_widget_class_set_css_name(widget, "aivo-quality-card");
    gtk_widget_class_set_accessible_role(widget, GTK_ACCESSIBLE_ROLE_GROUP);
}

static void theme_changed(gpointer widget)
{
    AivoQualityCard *self = AIVO_QUALITY_CARD(widget);
    if (!self->contrast_told) {
        self->high_contrast = agk_style_theme_is_hc(widget);
        g_object_notify_by_pspec(widget, props[PROP_HIGH_CONTRAST]);
        update(self);
    }
}

static void aivo_quality_card_init(AivoQualityCard *self)
{
    agk_style_ensure(GTK_WIDGET(self));
    self->state = AIVO_LINK_UNKNOWN;
    self->high_contrast = agk_style_theme_is_hc(GTK_WIDGET(self));
    agk_style_watch_theme(GTK_WIDGET(self), theme_changed);
    gtk_widget_init_template(GTK_WIDGET(self));
    self->why_title = g_object_new(GTK_TYPE_LABEL, "xalign", 0.0, "wrap", TRUE, NULL);
    gtk_widget_add_css_class(self->why_title, "aivo-strong");
    gtk_box_append(GTK_BOX(self->why), self->why_title);
    gtk_widget_set_has_tooltip(self->title, TRUE);
    g_signal_connect_object(self->title, "query-tooltip", G_CALLBACK(title_tooltip), self, G_CONNECT_SWAPPED);
    update(self);
}

GtkWidget *aivo_quality_card_new(void)
{
    return g_object_new(AIVO_TYPE_QUALITY_CARD, NULL);
}

void aivo_quality_card_set_quality(AivoQualityCard *card, const struct aivo_quality *quality)
{
    g_return_if_fail(AIVO_IS_QUALITY_CARD(card));
    g_object_set(card, "quality", quality, NULL);
}

const struct aivo_quality *aivo_quality_card_get_quality(AivoQualityCard *card)
{
    g_return_val_if_fail(AIVO_IS_QUALITY_CARD(card), NULL);
    return card->quality;
}

void aivo_quality_card_set_state(AivoQualityCard *card, AivoLinkState state)
{
    g_return_if_fail(AIVO_IS_QUALITY_CARD(card));
    g_object_set(card, "state", state, NULL);
}

void aivo_quality_card_set_compact(AivoQualityCard *card, gboolean compact)
{
    g_return_if_fail(AIVO_IS_QUALITY_CARD(card));
    g_object_set(card, "compact", compact, NULL);
}
