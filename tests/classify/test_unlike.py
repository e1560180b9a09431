"""Pooling by what is unlike good photos."""

from __future__ import annotations

import torch

from mvtec.classify.unlike import learn_normal_patches, pool_unlike


def test_goods_are_standardised_by_all_places():
    photos = [torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(n)) * 2 + 1 for n in range(3)]
    normal_patches = learn_normal_patches([photo.half() for photo in photos], seed=0)
    places = torch.cat([photo.half().double() for photo in photos]).permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(normal_patches.mean, places.mean(dim=1).float())
    torch.testing.assert_close(normal_patches.deviation, places.std(dim=1, correction=0).float(), atol=1e-5, rtol=1e-5)
    assert normal_patches.patches.shape == (3 * 2 * 20, 3)  # fewer than are sampled at most
    assert (
        float(normal_patches.distances(photos[0].half().float().flatten(2).transpose(1, 2).flatten(0, 1)).max()) < 1e-2
    )  # each place is its own nearest


def test_an_odd_place_is_what_is_pooled_and_its_size_shows():
    good = torch.zeros(1, 2, 10, 10) + torch.randn(1, 2, 10, 10, generator=torch.Generator().manual_seed(0)) * 0.01
    normal_patches = learn_normal_patches([good], seed=0)
    small, large = good.clone(), good.clone()
    small[0, 1, 4, 4] = 5.0
    large[0, 1, 2:8, 2:8] = 5.0
    pooled = pool_unlike(torch.cat([good, small, large]), normal_patches)
    assert pooled.shape == (3, 2 * 2 + 8)
    assert abs(float(pooled[0, 1])) < 0.05
    torch.testing.assert_close(pooled[1:, [1, 3]], torch.full((2, 2), 5.0), atol=0.05, rtol=0)
    farthest, half = pooled[:, 4], pooled[:, 4 + 6]
    torch.testing.assert_close(farthest[1], farthest[2], rtol=1e-4, atol=0)
    assert float(half[2]) > 10 * float(half[1])
    assert torch.isfinite(
        pool_unlike(torch.zeros(1, 2, 3, 3), learn_normal_patches([torch.zeros(1, 2, 3, 3)], seed=0))
    ).all()
