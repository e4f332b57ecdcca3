#include "style.h"
#include "agk-resources.h"

#define A        ".aivo-alarm.aivo-alarm.aivo-alarm" /* thrice: above the rules of any level and look */
#define RESOURCE "/io/github/artpromedia/aivo-gtk"

/* The rules of the palette, so that colours stand in one place. */
static char *palette_rules(void)
{
    GString *css = g_string_new(NULL);
    for (int look = 0; look < 4; look++) {
        struct agk_scheme scheme = {.dark = look & 1, .high_contrast = look & 2};
        const char *classes = (const char *[]){"", ".aivo-dark", ".aivo-hc", ".aivo-dark.aivo-hc"}[look];
        for (int kind = 0; kind < AGK_KINDS; kind++) {
            const char *name = agk_kind_name((enum agk_kind)kind);
            char colour[8];
            agk_colour_text(agk_palette((enum agk_kind)kind, scheme), colour);
            g_string_append_printf(css, ".aivo-gtk.aivo-%s%s .aivo-level { color: %s; }\n", name, classes, colour);
            g_string_append_printf(css, "aivo-quality-card.aivo-%s%s { background-color: alpha(%s, 0.%02d); }\n", name,
                                   classes, colour, scheme.high_contrast ? 0 : (int)(AGK_TINT * 100 + 0.5));
        }
    }
    char alarm[8];
    agk_colour_text((struct agk_colour)AGK_ALARM, alarm);
    g_string_append_printf(css,
                           "aivo-quality-card.aivo-gtk" A ", aivo-quality-badge.aivo-gtk" A " {"
                           " background-color: %s; color: #ffffff; }\n"
                           ".aivo-gtk" A " .aivo-level { color: #ffffff; }\n",
                           alarm);
    return g_string_free(css, FALSE);
}

static void add_sheet(GdkDisplay *display, GtkCssProvider *provider)
{
    /* Above the theme, below what the program has of its own. */
    gtk_style_context_add_provider_for_display(display, GTK_STYLE_PROVIDER(provider),
                                               GTK_STYLE_PROVIDER_PRIORITY_THEME + 1);
    g_object_unref(provider);
}

void agk_style_resources(void)
{
    static gsize registered;
    if (g_once_init_enter(&registered)) {
        agk_register_resource();
        g_once_init_leave(&registered, 1);
    }
}

void agk_style_ensure(GtkWidget *widget)
{
    agk_style_resources();
    static const char key[] = "aivo-gtk-style";
    GdkDisplay *display = gtk_widget_get_display(widget);
    if (g_object_get_data(G_OBJECT(display), key)) {
        return;
    }
    g_object_set_data(G_OBJECT(display), key, GINT_TO_POINTER(1));
    GtkCssProvider *provider = gtk_css_provider_new();
    gtk_css_provider_load_from_resource(provider, RESOURCE "/style.css");
    add_sheet(display, provider);
    provider = gtk_css_provider_new();
    char *rules = palette_rules();
#if GTK_CHECK_VERSION(4, 12, 0)
    gtk_css_provider_load_from_string(provider, rules);
#else
    gtk_css_provider_load_from_data(provider, rules, -1);
#endif
    g_free(rules);
    add_sheet(display, provider);
    gtk_icon_theme_add_resource_path(gtk_icon_theme_get_for_display(display), RESOURCE "/icons");
}

GdkRGBA agk_style_text_colour(GtkWidget *widget)
{
    GdkRGBA colour;
#if GTK_CHECK_VERSION(4, 10, 0)
    gtk_widget_get_color(widget, &colour);
#else
    gtk_style_context_get_color(gtk_widget_get_style_context(widget), &colour);
#endif
    return colour;
}

struct agk_scheme agk_style_scheme(GtkWidget *widget, bool high_contrast)
{
    GdkRGBA text = agk_style_text_colour(widget);
    double light = agk_luminance((struct agk_colour){text.red, text.green, text.blue});
    return (struct agk_scheme){.dark = light > 0.4, .high_contrast = high_contrast};
}

bool agk_style_theme_is_hc(GtkWidget *widget)
{
    char *name = NULL;
    g_object_get(gtk_widget_get_settings(widget), "gtk-theme-name", &name, NULL);
    bool high = name && (g_strrstr(name, "HighContrast") || g_str_has_suffix(name, "-hc"));
    g_free(name);
    return high;
}

void agk_style_watch_theme(GtkWidget *widget, void (*changed)(gpointer widget))
{
    g_signal_connect_object(gtk_widget_get_settings(widget), "notify::gtk-theme-name", G_CALLBACK(changed), widget,
                            G_CONNECT_SWAPPED);
}

static void set_class(GtkWidget *widget, const char *name, bool on)
{
    if (on != (bool)gtk_widget_has_css_class(widget, name)) { /* no change, no new style */
        (on ? gtk_widget_add_css_class : gtk_widget_remove_css_class)(widget, name);
    }
}

struct agk_scheme agk_style_apply(GtkWidget *widget, const struct agk_view *view, bool high_contrast)
{
    set_class(widget, "aivo-gtk", true);
    set_class(widget, "aivo-alarm", view->alarm);
    for (int other = 0; other < AGK_KINDS; other++) {
        char name[24];
        g_snprintf(name, sizeof(name), "aivo-%s", agk_kind_name((enum agk_kind)other));
        set_class(widget, name, other == (int)view->kind);
    }
    struct agk_scheme scheme = agk_style_scheme(widget, high_contrast || view->alarm);
    scheme.dark = scheme.dark || view->alarm;
    set_class(widget, "aivo-dark", scheme.dark);
    set_class(widget, "aivo-hc", high_contrast);
    return scheme;
}

bool agk_style_animates(GtkWidget *widget)
{
    gboolean animates = TRUE;
    g_object_get(gtk_widget_get_settings(widget), "gtk-enable-animations", &animates, NULL);
    return animates;
}

double agk_style_text_scale(GtkWidget *widget)
{
    int dpi = -1; /* in 1024ths; -1 is the default */
    g_object_get(gtk_widget_get_settings(widget), "gtk-xft-dpi", &dpi, NULL);
    return dpi > 0 ? CLAMP(dpi / 1024.0 / 96, 0.5, 4) : 1;
}
