/* From findings to a verdict. */
#include "mta/podfilter/filter_internal.h"

void message_decide(struct message *m)
{
}
