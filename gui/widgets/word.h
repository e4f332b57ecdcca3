/* A line of text that is drawn smaller, down to a quarter, where there is too little room for it: a word is never cut
 * off.
 */
#ifndef AGK_WORD_H
#define AGK_WORD_H

#include <gtk/gtk.h>

#define AGK_TYPE_WORD (agk_word_get_type())
G_DECLARE_FINAL_TYPE(AgkWord, agk_word, AGK, WORD, GtkWidget)

void agk_word_set_text(AgkWord *word, const char *text);
const char *agk_word_get_text(AgkWord *word);

#endif
