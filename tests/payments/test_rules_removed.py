"""Each rule of the payment machine taken out in turn: the simulation then finds wrong money, and none in the same stories with it."""

import pytest

from tests.simulation.payments.broken import RULES, whole
from tests.simulation.payments.run import many

SEED = 7


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.name) for rule in RULES])
def test_money_goes_wrong_without_the_rule_that(rule):
    with rule.without():
        broken = many(SEED, rule.sales, rule.setting, enough=1)
    assert broken.wrong, f"nothing is wrong in {broken.sales} sales without the rule that {rule.name}"
    assert many(SEED, broken.sales, whole(rule)).wrong == []
