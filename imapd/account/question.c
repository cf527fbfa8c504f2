#include "base/fiber.h"
#include "imapd/account/internal.h"

/* A fiber that waits for what another one asks; on its stack. */
struct questioner {
	struct questioner *next;
	struct fiber *fiber;
	int result;
};

int question_join(struct accounts *as, const struct proof *p, int *ret_result)
{
	struct questioner me = { .fiber = fiber_self() };
	struct question *q;

	LIST_FOREACH(q, &as->questions, entry)
	if (proof_same(&q->proof, p))
		break;
	if (!q)
		return 0;
	me.next = q->waiting;
	q->waiting = &me;
	fiber_suspend();
	*ret_result = me.result;
	return 1;
}

void question_begin(struct accounts *as, struct question *q, const struct proof *p)
{
	*q = (struct question){ .proof = *p };
	LIST_INSERT_HEAD(&as->questions, q, entry);
}

/* Those who waited go on in here; none of them joins this one again. */
void question_end(struct question *q, int result)
{
	struct questioner *next;

	LIST_REMOVE(q, entry);
	for (struct questioner *a = q->waiting; a; a = next) {
		next = a->next;
		a->result = result;
		fiber_resume(a->fiber);
	}
}
