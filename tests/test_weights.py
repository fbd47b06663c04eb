"""Networks as files: what was saved comes back, what is none of this network is one line."""

import pytest
import torch

from simclr.errors import UserError
from simclr.model import Classifier, Encoder
from simclr.networks import NETWORKS
from simclr.weights import load_classifier, load_encoder, save_network


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Classifier(Encoder(0.1, 0.3))
    network(torch.rand(8, 1, 28, 28))  # statistics of its own
    return network.to(memory_format=torch.channels_last)


def test_networks_come_back_in_eval_mode(network, tmp_path):
    save_network(tmp_path / "c.safetensors", network)
    save_network(tmp_path / "e.safetensors", network.encoder)
    classifier = load_classifier(str(tmp_path / "c.safetensors"))
    encoder = load_encoder(tmp_path / "e.safetensors")
    for one, other in ((classifier, network), (encoder, network.encoder)):
        assert one.state_dict().keys() == other.state_dict().keys()
        assert all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())
    (tmp_path / "plain").touch()  # readable for all whom the umask allows
    assert len({file.stat().st_mode for file in tmp_path.iterdir()}) == 1
    assert not any(part.training for part in [*classifier.modules(), *encoder.modules()])
    images = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(classifier(images), network.eval()(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [None, 0, 500, 1_000_000])
def test_weights_that_are_none_of_this_network(tmp_path, network, size):
    file = tmp_path / "classifier.safetensors"
    save_network(file, network.encoder if size is None else network)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(UserError, match=r"not weights of this network .* make it again") as caught:
        load_classifier(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(UserError, match=r"no such file; `make report` builds it"):
        load_classifier(str(file))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_file_knows_its_network_and_training_goes_on_from_it(network, tmp_path):
    encoder = Encoder(network=network).eval()
    save_network(tmp_path / "e.safetensors", encoder)
    read, images = load_encoder(tmp_path / "e.safetensors"), torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(read(images), encoder(images))
    further = Encoder(0.1, 0.3, read.network)
    further.load_state_dict(read.state_dict())
    assert further(images).shape == (2, 512)
