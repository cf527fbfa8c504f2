/* What podctl filter asks about: reputations, and what would become of a message. For the control's thread.
 */
#ifndef POD_FILTER_ANSWERS_H
#define POD_FILTER_ANSWERS_H

#include "mta/podfilter/control/control.h"

/* With a struct filter as their arg. */
extern const struct control_extra answers_methods[];

#endif
