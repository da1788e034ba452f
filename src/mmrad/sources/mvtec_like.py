"""The datasets that differ from MVTec AD's layout in names only."""

from __future__ import annotations

from mmrad.sources.mvtec import MvtecTree

MPDD = MvtecTree(
    name="mpdd",
    title="MPDD",
    licence="CC BY-NC-SA 4.0",
    url="https://github.com/stepanje/MPDD",
    layout="""\
ROOT/                                          or ROOT/MPDD/
  bracket_black/
    train/good/000.png
    test/good/000.png
    test/scratches/000.png
    ground_truth/scratches/000_mask.png        255 where anomalous""",
    expected="6 categories, 1346 images: 1064 good, 282 anomalous",
    unpacks_to=("MPDD",),
)

GOODSAD = MvtecTree(
    name="goodsad",
    title="GoodsAD",
    licence="GPL-3.0",
    url="https://github.com/jianzhang96/GoodsAD",
    layout="""\
ROOT/                                          or ROOT/GoodsAD/
  drink_can/
    train/good/000_000.jpg                     product, then serial number
    test/good/000_001.jpg
    test/deformation/000_002.jpg
    ground_truth/deformation/000_002.png       over 0 where anomalous""",
    expected="6 categories, 6124 images: 3136 train, 1328 test good, 1660 anomalous",
    mask_names=("{stem}", "{stem}_mask"),
    threshold=0,
    unpacks_to=("GoodsAD",),
)

MIAD = MvtecTree(
    name="miad",
    title="MIAD",
    licence="unknown",
    url="https://miad-2022.github.io",
    layout="""\
ROOT/                                          or ROOT/MIAD/
  wind_turbine/
    train/good/000000.png                      png or jpg
    test/good/000000.png
    test/DEFECT/000000.png
    ground_truth/DEFECT/000000_mask.png        or without _mask; over 127 where anomalous""",
    expected="7 categories, 105000 images: 70000 train, 35000 test, 17500 of them anomalous",
    unpacks_to=("MIAD",),
)

WFDD = MvtecTree(
    name="wfdd",
    title="WFDD",
    licence="MIT",
    url="https://github.com/cqylunlun/GLASS",
    layout="""\
ROOT/                                          or ROOT/WFDD/
  grey_cloth/
    train/good/000.png
    test/good/000.png
    test/DEFECT/000.png
    ground_truth/DEFECT/000.png                or with _mask; smooth edges, over 127 where anomalous""",
    expected="4 categories, 4101 images: 3657 train, 444 test",
    unpacks_to=("WFDD",),
)

TEXTURE_AD = MvtecTree(
    name="texture-ad",
    title="Texture-AD",
    licence="Apache-2.0",
    url="https://huggingface.co/datasets/texture-ad/Texture-AD-Benchmark",
    layout="""\
ROOT/
  Cloth/PRODUCT/                               category Cloth_PRODUCT; it may lack train or test
    train/good/*.png
    test/good/*.png
    test/DEFECT/*.png
    ground_truth/DEFECT/*.png                  over 127 where anomalous; with or without _mask""",
    expected="39 categories, 43555 images: 28973 train, 14582 test",
    grouped=True,
)

THREE_CAD = MvtecTree(
    name="3cad",
    title="3CAD",
    licence="unknown",
    url="https://github.com/EnquanYang2022/3CAD",
    layout="""\
ROOT/                                          or ROOT/3CAD/ or ROOT/3CAD-Pinyin/
  Copper_Stator/
    train/good/000000.png
    test/good/000000.png
    test/DEFECT/000000.png                     English or pinyin
    ground_truth/DEFECT/000000.png             over 0 where anomalous""",
    expected="8 categories, 27039 images: 10493 train, 5084 test good, 11462 anomalous",
    mask_names=("{stem}", "{stem}_mask"),
    threshold=0,
    unpacks_to=("3CAD", "3CAD-Pinyin"),
)

BTAD = MvtecTree(
    name="btad",
    title="BTAD",
    licence="CC BY-NC-SA 4.0",
    url="https://github.com/pankajmishra000/VT-ADL",
    layout="""\
ROOT/                                          or ROOT/BTech_Dataset_transformed/
  01/
    train/ok/0000.bmp                          bmp or png
    test/ok/0000.bmp
    test/ko/0000.bmp
    ground_truth/ko/0000.png                   png or bmp, over 0 where anomalous""",
    expected="3 categories",
    normal=frozenset({"ok"}),
    mask_names=("{stem}",),
    threshold=0,
    unpacks_to=("BTech_Dataset_transformed",),
)

VISA_CONVERTED = MvtecTree(
    name="visa-converted",
    title="VisA, converted to MVTec AD's layout",
    licence="CC BY 4.0",
    url="https://github.com/amazon-science/spot-diff",
    layout="""\
ROOT/                                          or ROOT/1cls/
  candle/
    train/good/0000.JPG
    test/good/0000.JPG
    test/bad/000.JPG                           the kinds of defects are lost in this form
    ground_truth/bad/000.png                   over 0 where anomalous""",
    expected="12 categories, 10821 images: 8659 train, 962 test normal, 1200 test anomalous",
    mask_names=("{stem}", "{stem}_mask"),
    threshold=0,
    unpacks_to=("1cls",),
)

MVTEC_AD_2 = MvtecTree(
    name="mvtec-ad-2",
    title="MVTec AD 2",
    licence="CC BY-NC-SA 4.0",
    url="https://www.mvtec.com/company/research/datasets/mvtec-ad-2",
    layout="""\
ROOT/
  can/
    train/good/*.png
    validation/good/*.png
    test_public/good/*.png
    test_public/bad/*.png
    test_public/ground_truth/bad/*_mask.png    over 0 where anomalous
    test_private/, test_private_mixed/         have no truth and are not read""",
    expected="8 categories, 3914 images with truth: 2528 train, 302 validation, 1084 test",
    splits={"train": "train", "validation": "validation", "test_public": "test"},
    truth_folders=("test_public/ground_truth",),
    threshold=0,
)
