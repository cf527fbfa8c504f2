/* What requests about a replicated volume have in common. */
#ifndef PODCTL_PODD_API_STACK_H
#define PODCTL_PODD_API_STACK_H

#include "podctl/podd/api.h"
#include "podctl/podd/stack.h"

/* The stack of the volume that is the path's first parameter, and its record; NULL: there is none, and the call has been
 * answered so. */
struct stack *api_stack_find(struct api_call *call, const Directory__Volume **ret_v);

#endif
