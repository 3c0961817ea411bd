// The tests of images; kernels_test.cc runs them.
#pragma once

namespace penstock::test {

void TestImages();

}  // namespace penstock::test
