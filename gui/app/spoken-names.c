#include "spoken-names.h"

static void name_by_tooltip(GtkWidget *button, const char *tooltip)
{
    if (tooltip)
        gtk_accessible_update_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_LABEL, tooltip, -1);
}

static void name_button(GtkWidget *widget)
{
    if (GTK_IS_MENU_BUTTON(widget)) {
        const char *tooltip = gtk_widget_get_tooltip_text(widget);
        name_by_tooltip(gtk_widget_get_first_child(widget), tooltip);
    } else if (GTK_IS_BUTTON(widget) && gtk_button_get_label(GTK_BUTTON(widget))) {
        if (gtk_button_get_use_underline(GTK_BUTTON(widget))) /* the label widget's text stays, as labelled-by */
            gtk_accessible_reset_property(GTK_ACCESSIBLE(widget), GTK_ACCESSIBLE_PROPERTY_LABEL);
    } else if (GTK_IS_BUTTON(widget) && gtk_button_get_icon_name(GTK_BUTTON(widget))) {
        name_by_tooltip(widget, gtk_widget_get_tooltip_text(widget));
    }
}

static void walk(GtkWidget *widget)
{
    name_button(widget);
    for (GtkWidget *child = gtk_widget_get_first_child(widget); child; child = gtk_widget_get_next_sibling(child))
        walk(child);
}

static void mapped(GtkWidget *window, gpointer user)
{
    (void)user;
    walk(window);
}

void aivo_speak_window(GtkWindow *window)
{
    g_signal_connect(window, "map", G_CALLBACK(mapped), NULL);
}
