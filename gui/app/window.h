/* The main window: the connections on the left, one of them on the right; a first-run page where there is none. */
#ifndef AIVO_APP_WINDOW_H
#define AIVO_APP_WINDOW_H

#include "application.h"

G_BEGIN_DECLS

#define AIVO_TYPE_WINDOW (aivo_window_get_type())
G_DECLARE_FINAL_TYPE(AivoWindow, aivo_window, AIVO, WINDOW, AdwApplicationWindow)
GtkWidget *aivo_window_new(AivoApplication *app);
/* The connection with this id. */
void aivo_window_select(AivoWindow *window, const char *id);
/* A line at the bottom that goes by itself. */
void aivo_window_toast(AivoWindow *window, const char *text);
/* For window-actions.c; borrowed, may be NULL. */
AivoConnection *aivo_window_get_selected(AivoWindow *window);
void aivo_window_step(AivoWindow *window, int by);
void aivo_window_show_page(AivoWindow *window, const char *name);
void aivo_window_go_back(AivoWindow *window);
void aivo_window_open_menu(AivoWindow *window);
void aivo_window_diagnose(AivoWindow *window);
GdkTexture *aivo_window_render_chart(AivoWindow *window);

/* window-actions.c */
void aivo_window_add_actions(AivoWindow *window);
/* Those that need a connection are there only with one. */
void aivo_window_update_actions(AivoWindow *window);

G_END_DECLS
#endif
