"""What can be downloaded: paintings, photos and models, each from one address, checked by its hash.

The four styles that PyTorch's fast_neural_style example made known are spread over several files:
two of the ONNX model zoo's versions are ``zoo_rain_princess`` and ``zoo_udnie``, their style images
``pytorch_mosaic``, ``pytorch_candy``, ``rain_princess`` and ``udnie``. ``search("candy")`` lists
what there is for one. What else was published, but cannot be checked for want of a known hash, is
named in ``data/README.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Asset:
    """A file that can be downloaded.

    Parameters
    ----------
    name : str
        What :func:`fetch` and :func:`nstlib.load_image` call it.
    kind : {"image", "model"}
        Which of the two caches it belongs to.
    filename : str
        Its place below ``NSTLIB_CACHE``: ``"images/starry_night.jpg"``.
    url : str
        Where it comes from.
    sha256 : str
        What its bytes hash to, in hexadecimal.
    bytes : int
        Its size.
    license : str
        What may be done with it, as far as that is known.
    credit : str
        What it is, and by whom.
    """

    name: str
    kind: Literal["image", "model"]
    filename: str
    url: str
    sha256: str
    bytes: int
    license: str
    credit: str


_PUBLIC_DOMAIN = "public domain"
_UNKNOWN = "unknown: see its address; test use only"
_COPYRIGHTED = "copyrighted: test use only"
_GITHUB = "https://raw.githubusercontent.com"
_TITU1994 = (
    f"{_GITHUB}/titu1994/Neural-Style-Transfer/d09334855211579ea1adb9ad04f09fc8a7573850"
    "/images/inputs"
)
_LENGSTROM = (
    f"{_GITHUB}/lengstrom/fast-style-transfer/0d3d981f7ab948253d355585bdbdfa914247b4d0/examples"
)
_PYTORCH = (
    f"{_GITHUB}/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/fast_neural_style/images"
)
_WINDOWS_ML = (
    f"{_GITHUB}/microsoft/Windows-Machine-Learning/155b5eeb1f48b49235f31ef3a68db0bd8707ce89"
)
_MEDIAPIPE = f"{_GITHUB}/google-ai-edge/mediapipe/8b57bf879b419173b26277d220b643dac0402334"
_ONNX_ZOO = (
    "https://github.com/onnx/models/raw/main/validated/vision/style_transfer/fast_neural_style"
)
_OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models"
_REGISTRY = (
    # Paintings.
    Asset(
        name="starry_night",
        kind="image",
        filename="images/starry_night.jpg",
        url=f"{_TITU1994}/style/starry_night.jpg",
        sha256="880d49b3409e0dac067c7ef35d0bac7ae445c5502c19072095edbaa075216f03",
        bytes=186_457,
        license=_PUBLIC_DOMAIN,
        credit="The Starry Night, Vincent van Gogh, 1889",
    ),
    Asset(
        name="great_wave",
        kind="image",
        filename="images/great_wave.jpg",
        url=f"{_LENGSTROM}/style/wave.jpg",
        sha256="54f19686bea5117c0bb68ce4425dbed4efafa3e8d7cafe35f0fae80b8223f4be",
        bytes=123_262,
        license=_PUBLIC_DOMAIN,
        credit="The Great Wave off Kanagawa, Hokusai, c. 1831",
    ),
    Asset(
        name="the_scream",
        kind="image",
        filename="images/the_scream.jpg",
        url=f"{_TITU1994}/style/the_scream.jpg",
        sha256="f3075cddeb974a9ee1d6418f7f33fd05185a7ac7dcb4288bd2805d499a9dcaee",
        bytes=216_723,
        license=_PUBLIC_DOMAIN,
        credit="The Scream, Edvard Munch, 1893",
    ),
    Asset(
        name="water_lilies",
        kind="image",
        filename="images/water_lilies.jpg",
        url=f"{_TITU1994}/style/water-lilies-1919-2.jpg",
        sha256="db4c4fe90c02be04d269f2f598357bb8cd4ea0541712a90d4913e91b1da689d7",
        bytes=619_855,
        license=_PUBLIC_DOMAIN,
        credit="Water Lilies, Claude Monet, 1919",
    ),
    Asset(
        name="shipwreck",
        kind="image",
        filename="images/shipwreck.jpg",
        url=f"{_TITU1994}/style/shipwreck.jpg",
        sha256="4f7cf34e3cd4a5daaf3f421f059ca9a01aaa2a3afd7243d6670c9c8bc001a213",
        bytes=144_730,
        license=_PUBLIC_DOMAIN,
        credit="The Shipwreck of the Minotaur, J. M. W. Turner, c. 1810",
    ),
    Asset(
        name="udnie",
        kind="image",
        filename="images/udnie.jpg",
        url=f"{_LENGSTROM}/style/udnie.jpg",
        sha256="45e510d2a53b4167a22bae12a191eea3018f82d74a2fa17b1573adc1e9dfc7f6",
        bytes=87_874,
        license=_UNKNOWN,
        credit="Udnie, Francis Picabia, 1913",
    ),
    Asset(
        name="rain_princess",
        kind="image",
        filename="images/rain_princess.jpg",
        url=f"{_PYTORCH}/style-images/rain-princess.jpg",
        sha256="edc860681275f663ff23b28ade7436b34bf8ea28ae60be773f3e1c39b938e5d3",
        bytes=286_356,
        license=_COPYRIGHTED,
        credit="Leonid Afremov; style image of the rain_princess model",
    ),
    # The library draws a mosaic and candy swirls of its own; these two are the third-party images.
    Asset(
        name="pytorch_mosaic",
        kind="image",
        filename="images/mosaic.jpg",
        url=f"{_PYTORCH}/style-images/mosaic.jpg",
        sha256="17698add60e1ce8618103c04e6cdddc5ac21b82181a37b7517413f36a5b785a4",
        bytes=77_378,
        license=_UNKNOWN,
        credit="style image of the mosaic model",
    ),
    Asset(
        name="pytorch_candy",
        kind="image",
        filename="images/candy.jpg",
        url=f"{_PYTORCH}/style-images/candy.jpg",
        sha256="1af09b2c18a6674b7d88849cb87564dd77e1ce04d1517bb085449b614cc0c8d8",
        bytes=376_101,
        license=_UNKNOWN,
        credit="style image of the candy model",
    ),
    # Photos.
    Asset(
        name="amber",
        kind="image",
        filename="images/amber.jpg",
        url=f"{_PYTORCH}/content-images/amber.jpg",
        sha256="f1d583fd322c68de4d116408dcfcee3a137b53206fe7251313ec02ca8aa6d27c",
        bytes=108_086,
        license=_UNKNOWN,
        credit="content photo",
    ),
    Asset(
        name="chicago",
        kind="image",
        filename="images/chicago.jpg",
        url=f"{_LENGSTROM}/content/chicago.jpg",
        sha256="59970f49344f31b9f731e532c52c52d639c02d4909fb93d0aaae4f4465159217",
        bytes=190_251,
        license=_UNKNOWN,
        credit="content photo",
    ),
    Asset(
        name="tubingen",
        kind="image",
        filename="images/tubingen.jpg",
        url=f"{_TITU1994}/content/tubingen.jpg",
        sha256="8852910ed1594af535c3dee012b020b9ee4045798645885d20a9445d12e98093",
        bytes=216_598,
        license=_UNKNOWN,
        credit="content photo of the paper by Gatys et al.",
    ),
    # Johnson's fast style networks with instance norm, as ONNX files of 2018: opset 7, with the
    # retired operators Crop, ImageScaler and Affine; BGR in 0..255 goes in and comes out.
    Asset(
        name="johnson_candy",
        kind="model",
        filename="models/candy.onnx",
        url=f"{_WINDOWS_ML}/SharedContent/models/candy.onnx",
        sha256="4cc994e51bc371584fe38d91ac66015909d8e06eec5b22de9a6b969ad091c2c0",
        bytes=1_712_395,
        license=_UNKNOWN,
        credit="Johnson's fast style network, candy; ONNX opset 7",
    ),
    Asset(
        name="johnson_mosaic",
        kind="model",
        filename="models/mosaic.onnx",
        url=f"{_WINDOWS_ML}/Samples/StyleTransfer/Assets/mosaic.onnx",
        sha256="88bae7a0b1df776190c0edceb94878dc9d39178a06df97ca44d08dfb5b56e035",
        bytes=1_712_530,
        license=_UNKNOWN,
        credit="Johnson's fast style network, mosaic; ONNX opset 7",
    ),
    Asset(
        name="johnson_udnie",
        kind="model",
        filename="models/udnie.onnx",
        url=f"{_WINDOWS_ML}/Samples/StyleTransfer/Assets/udnie.onnx",
        sha256="8a1576e5014f3a24461217b1829c27c1af61cba1bfa831c008b2b7958c1085cb",
        bytes=1_712_529,
        license=_UNKNOWN,
        credit="Johnson's fast style network, udnie; ONNX opset 7",
    ),
    Asset(
        name="johnson_la_muse",
        kind="model",
        filename="models/la_muse.onnx",
        url=f"{_WINDOWS_ML}/Samples/StyleTransfer/Assets/la_muse.onnx",
        sha256="77804dc5e9d494c95c8797c2191cda9f0df810b2b3ba476aed4bb7defab18473",
        bytes=1_712_531,
        license=_UNKNOWN,
        credit="Johnson's fast style network, la_muse; ONNX opset 7",
    ),
    Asset(
        name="zoo_rain_princess",
        kind="model",
        filename="models/rain-princess-9.onnx",
        url=f"{_ONNX_ZOO}/model/rain-princess-9.onnx",
        sha256="4162912e6f75fedef6f810ae989b9e10d3d5d43308dab34b027c850cf255e152",
        bytes=6_728_029,
        license="BSD-3-Clause",
        credit="fast_neural_style network, rain_princess; ONNX model zoo",
    ),
    Asset(
        name="zoo_udnie",
        kind="model",
        filename="models/udnie-9.onnx",
        url=f"{_ONNX_ZOO}/model/udnie-9.onnx",
        sha256="8656b6ce7dec8f22ee13c2d557d6b67bd6f550dde88d0f2e7c9972aeb765cc0d",
        bytes=6_728_029,
        license="BSD-3-Clause",
        credit="fast_neural_style network, udnie; ONNX model zoo",
    ),
    # Both take pictures of one size: MediaPipe's RGB in 0..1 at 256x256; PP-HumanSeg's publishers
    # report an accuracy of 0.9656 and a mIoU of 0.9164.
    Asset(
        name="selfie_segmentation",
        kind="model",
        filename="models/selfie_segmentation.tflite",
        url=f"{_MEDIAPIPE}/mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        sha256="8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
        bytes=249_024,
        license="Apache-2.0",
        credit="MediaPipe selfie segmentation",
    ),
    Asset(
        name="pp_humanseg",
        kind="model",
        filename="models/human_segmentation_pphumanseg_2023mar.onnx",
        url=(
            f"{_OPENCV_ZOO}/human_segmentation_pphumanseg"
            "/human_segmentation_pphumanseg_2023mar.onnx"
        ),
        sha256="552d8a984054e59b5d773d24b9b12022b22046ceb2bbc4c9aaeaceb36a9ddf24",
        bytes=6_163_938,
        license="Apache-2.0",
        credit="PP-HumanSeg; OpenCV model zoo",
    ),
)

#: Everything that can be downloaded, by name.
ASSETS: Mapping[str, Asset] = MappingProxyType({asset.name: asset for asset in _REGISTRY})


def search(text: str = "") -> tuple[Asset, ...]:
    """Assets whose name, file, address or credit contains `text`, in any case.

    Examples
    --------
    >>> [asset.name for asset in search("Rain_Princess")]
    ['rain_princess', 'zoo_rain_princess']
    """
    return tuple(
        asset
        for asset in ASSETS.values()
        if text.lower() in f"{asset.name} {asset.filename} {asset.url} {asset.credit}".lower()
    )
