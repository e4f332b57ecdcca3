/* A locale whose numbers have a comma, as a desktop's may; made here, so that a machine needs none of its own. */
#ifndef AIVO_TEST_COMMA_H
#define AIVO_TEST_COMMA_H

/* From here on printf() writes "1,5". Fails the test if it does not. */
void comma_begin(void);
void comma_end(void);

#endif
