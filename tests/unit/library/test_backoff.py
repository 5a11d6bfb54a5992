from atalaia.resilience.backoff import delay_s


def test_waits_double_up_to_a_bound() -> None:
    assert [delay_s(n, first_s=1, most_s=30) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_dice_spread_the_wait_by_a_fifth() -> None:
    assert delay_s(1, first_s=10, most_s=30, dice=0.0) == 8
    assert delay_s(1, first_s=10, most_s=30, dice=1.0) == 12
