"""What is measured of an image, and what is found wrong with it."""

import cv2
import numpy as np
import pytest

from mmrad.curate.duplicates import NEAR_BITS, exact_groups, near_groups
from mmrad.curate.quality import FINDINGS, HASH_BITS, findings, measure
from mmrad.image import RGB


def scene(seed: int, size_wh: tuple[int, int] = (320, 240)) -> RGB:
    """Shapes and grain, as a photograph of parts has them."""
    rng = np.random.default_rng(seed)
    image = np.full((240, 320, 3), 120, np.uint8)
    for _ in range(25):
        x, y, r = rng.integers(0, 320), rng.integers(0, 240), rng.integers(5, 40)
        cv2.circle(image, (int(x), int(y)), int(r), tuple(map(int, rng.integers(0, 255, 3))), -1)
    image = cv2.add(image, rng.integers(0, 12, image.shape, np.uint8))
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def found(images: list[RGB], categories: list[str] | None = None) -> list[set[str]]:
    measures = [measure(image).raw for image in images]
    columns = {name: np.array([item[name] for item in measures]) for name in measures[0]}
    sizes = np.array([image.shape[1::-1] for image in images])
    flags = findings(columns, sizes, categories or ["part"] * len(images))
    assert set(flags) == set(FINDINGS)
    return [{name for name in FINDINGS if flags[name][index]} for index in range(len(images))]


@pytest.mark.parametrize(
    ("image", "finding"),
    [
        (scene(1) // 10, "dark"),
        (np.full((200, 200, 3), 250, np.uint8), "light"),
        (cv2.GaussianBlur(scene(1), (0, 0), 30).astype(np.uint8), "blurry"),
        (np.full((200, 200, 3), 120, np.uint8), "low_information"),
        (scene(1, (600, 120)), "odd_aspect_ratio"),
        (scene(1, (100, 80)), "small"),
    ],
)
def test_each_finding_is_found_where_it_is_and_not_in_a_good_image(image: RGB, finding: str) -> None:
    bad, good = found([image, scene(2)], ["a", "b"])
    assert finding in bad
    assert good == set()


def test_odd_sizes_are_those_unlike_the_rest_of_their_category() -> None:
    images = [*map(scene, range(8)), scene(8, (160, 120)), scene(9, (160, 120))]
    odd = ["odd_size" in one for one in found(images, ["a"] * 9 + ["b"])]
    assert odd == [False] * 8 + [True, False]


def hamming(one: RGB, other: RGB) -> int:
    a, b = (int(measure(image).hash, 16) for image in (one, other))
    return (a ^ b).bit_count()


def test_a_picture_stored_or_scaled_anew_is_near_and_another_one_is_far() -> None:
    picture = scene(3, (640, 480))
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    again = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
    assert hamming(picture, again) <= NEAR_BITS
    assert hamming(picture, scene(4, (640, 480))) > 10 * NEAR_BITS


def test_exact_groups_name_their_first_image() -> None:
    assert exact_groups(["a", "b", "a", "c", "b"]).tolist() == [0, 1, 0, 3, 1]


def by_brute_force(values: list[int], compared: list[bool]) -> list[int]:
    groups = list(range(len(values)))
    changed = True
    while changed:
        changed = False
        for i in range(len(values)):
            for j in range(len(values)):
                near = (values[i] ^ values[j]).bit_count() <= NEAR_BITS
                if compared[i] and compared[j] and near and groups[j] > groups[i]:
                    groups[j], changed = groups[i], True
    return groups


def test_near_groups_are_those_of_comparing_all_pairs() -> None:
    rng = np.random.default_rng(0)
    values = [int.from_bytes(rng.bytes(HASH_BITS // 8)) for _ in range(12)]
    for _ in range(60):  # chains of copies that drift apart
        value = values[rng.integers(len(values))]
        for bit in rng.integers(0, HASH_BITS, rng.integers(0, 7)):
            value ^= 1 << int(bit)
        values.append(value)
    compared = (rng.random(len(values)) < 0.8).tolist()
    hashes = [f"{value:064x}" for value in values]
    groups = near_groups(hashes, np.array(compared)).tolist()
    assert groups == by_brute_force(values, compared)
    assert 12 < len(set(groups)) < len(values)


def test_no_image_to_compare_is_no_group() -> None:
    assert near_groups(["00" * 32], np.array([False])).tolist() == [0]
