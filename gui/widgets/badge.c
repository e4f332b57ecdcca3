#include "glyph.h"
#include "style.h"
#include "view.h"
#include <aivo-gtk/badge.h>

struct _AivoQualityBadge {
    GtkWidget parent_instance;
    GtkWidget *glyph, *label;
    struct aivo_quality *quality;
    AivoLinkState state;
    char *title;
    gboolean high_contrast;
    bool contrast_told; /* by the program: the theme's name does not count any more */
    struct agk_view view;
};

enum { PROP_QUALITY = 1, PROP_STATE, PROP_TITLE, PROP_HIGH_CONTRAST, PROP_TEXT, N_PROPS };
static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE(AivoQualityBadge, aivo_quality_badge, GTK_TYPE_WIDGET)

static void restyle(AivoQualityBadge *self)
{
    struct agk_scheme scheme = agk_style_apply(GTK_WIDGET(self), &self->view, self->high_contrast);
    agk_glyph_set(AGK_GLYPH(self->glyph), self->view.kind, self->view.suspect, scheme);
}

/* Everything that is seen and said follows from the properties. What did not change is not announced again. */
static void update(AivoQualityBadge *self)
{
    struct agk_view old = self->view;
    agk_view_make(&self->view, self->quality, (enum agk_link)self->state, self->title, NULL);
    restyle(self);
    if (g_strcmp0(old.label, self->view.label) != 0) {
        gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, self->view.label, -1);
    }
    if (g_strcmp0(old.description, self->view.description) != 0) { /* GTK says a tooltip as the description */
        gtk_widget_set_tooltip_text(GTK_WIDGET(self), *self->view.description ? self->view.description : NULL);
    }
    if (g_strcmp0(old.text, self->view.text) != 0) {
        gtk_label_set_text(GTK_LABEL(self->label), self->view.text);
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_TEXT]);
    }
}

static void css_changed(GtkWidget *widget, GtkCssStyleChange *change)
{
    GTK_WIDGET_CLASS(aivo_quality_badge_parent_class)->css_changed(widget, change);
    restyle(AIVO_QUALITY_BADGE(widget));
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    AivoQualityBadge *self = AIVO_QUALITY_BADGE(object);
    switch (id) {
    case PROP_QUALITY:
        g_value_set_boxed(value, self->quality);
        break;
    case PROP_STATE:
        g_value_set_enum(value, self->state);
        break;
    case PROP_TITLE:
        g_value_set_string(value, self->title);
        break;
    case PROP_HIGH_CONTRAST:
        g_value_set_boolean(value, self->high_contrast);
        break;
    case PROP_TEXT:
        g_value_set_string(value, self->view.text);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    AivoQualityBadge *self = AIVO_QUALITY_BADGE(object);
    switch (id) {
    case PROP_QUALITY:
        aivo_quality_free(self->quality);
        self->quality = g_value_dup_boxed(value);
        break;
    case PROP_STATE:
        self->state = g_value_get_enum(value);
        break;
    case PROP_TITLE:
        g_free(self->title);
        self->title = g_value_dup_string(value);
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
    AivoQualityBadge *self = AIVO_QUALITY_BADGE(object);
    g_clear_pointer(&self->glyph, gtk_widget_unparent);
    g_clear_pointer(&self->label, gtk_widget_unparent);
    G_OBJECT_CLASS(aivo_quality_badge_parent_class)->dispose(object);
}

static void finalize(GObject *object)
{
    AivoQualityBadge *self = AIVO_QUALITY_BADGE(object);
    aivo_quality_free(self->quality);
    g_free(self->title);
    G_OBJECT_CLASS(aivo_quality_badge_parent_class)->finalize(object);
}

static void aivo_quality_badge_class_init(AivoQualityBadgeClass *class)
{
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    GObjectClass *object = G_OBJECT_CLASS(class);
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);
    object->get_property = get_property;
    object->set_property = set_property;
    object->dispose = dispose;
    object->finalize = finalize;
    widget->css_changed = css_changed;
    props[PROP_QUALITY] = g_param_spec_boxed("quality", NULL, NULL, AIVO_TYPE_QUALITY, flags);
    props[PROP_STATE] = g_param_spec_enum("state", NULL, NULL, AIVO_TYPE_LINK_STATE, AIVO_LINK_UNKNOWN, flags);
    props[PROP_TITLE] = g_param_spec_string("title", NULL, NULL, NULL, flags);
    props[PROP_HIGH_CONTRAST] = g_param_spec_boolean("high-contrast", NULL, NULL, FALSE, flags);
    props[PROP_TEXT] = g_param_spec_string("text", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object, N_PROPS, props);
    gtk_widget_class_set_css_name(widget, "aivo-quality-badge");
    gtk_widget_class_set_layout_manager_type(widget, GTK_TYPE_BOX_LAYOUT);
    gtk_widget_class_set_accessible_role(widget, GTK_ACCESSIBLE_ROLE_IMG);
}

static void theme_changed(gpointer widget)
{
    AivoQualityBadge *self = AIVO_QUALITY_BADGE(widget);
    if (!self->contrast_told) {
        self->high_contrast = agk_style_theme_is_hc(widget);
        g_object_notify_by_pspec(widget, props[PROP_HIGH_CONTRAST]);
        update(self);
    }
}

static void aivo_quality_badge_init(AivoQualityBadge *self)
{
    GtkWidget *widget = GTK_WIDGET(self);
    agk_style_ensure(widget);
    self->state = AIVO_LINK_UNKNOWN;
    self->high_contrast = agk_style_theme_is_hc(widget);
    agk_style_watch_theme(GTK_WIDGET(self), theme_changed);
    self->glyph = g_object_new(AGK_TYPE_GLYPH, "size", 12, NULL);
    gtk_widget_set_valign(self->glyph, GTK_ALIGN_CENTER);
    /* The badge says it in words: the label is for the eye. */
    self->label = g_object_new(GTK_TYPE_LABEL, "accessible-role", GTK_ACCESSIBLE_ROLE_PRESENTATION, "ellipsize",
                               PANGO_ELLIPSIZE_END, "xalign", 0.0, NULL);
    gtk_widget_add_css_class(self->label, "aivo-number");
    gtk_widget_set_parent(self->glyph, widget);
    gtk_widget_set_parent(self->label, widget);
    gtk_box_layout_set_spacing(GTK_BOX_LAYOUT(gtk_widget_get_layout_manager(widget)), 6);
    update(self);
}

GtkWidget *aivo_quality_badge_new(void)
{
    return g_object_new(AIVO_TYPE_QUALITY_BADGE, NULL);
}

void aivo_quality_badge_set_quality(AivoQualityBadge *badge, const struct aivo_quality *quality)
{
    g_return_if_fail(AIVO_IS_QUALITY_BADGE(badge));
    g_object_set(badge, "quality", quality, NULL);
}

void aivo_quality_badge_set_state(AivoQualityBadge *badge, AivoLinkState state)
{
    g_return_if_fail(AIVO_IS_QUALITY_BADGE(badge));
    g_object_set(badge, "state", state, NULL);
}
