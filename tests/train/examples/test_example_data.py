"""Examples from a recipe's corpus."""

from mmrad.factory import make_factory
from mmrad.reference import retrieve
from mmrad.sources import build_corpus
from mmrad.train.examples.data import training_examples
from mmrad.train.recipe import Asking, Data, Recipe


def test_assorted_products_are_called_products(tmp_path):
    make_factory(
        tmp_path / "factory", seed=0, train=1, good=1, per_anomaly=1, workers=1, sources=(), assorted=1
    )
    roots = {"assorted": ("mvtec", tmp_path / "factory" / "assorted")}
    corpus = build_corpus(roots, tmp_path / "corpus").corpus
    retrieve(corpus, method="random")
    data = Data(corpus=tmp_path / "corpus", texts="fresh", references=1)
    examples = training_examples(Recipe(name="few", data=data, asking=Asking()), tmp_path)
    said = [part for message in examples[0].messages for part in message.parts if isinstance(part, str)]
    assert "product" in " ".join(said)
    for index in range(len(examples)):
        assert "assorted" not in examples[index].completion
        assert examples[index].sample.id.startswith("assorted/")
    assert "assorted" not in " ".join(said)
