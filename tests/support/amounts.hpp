#pragma once

#include "core/values/money.hpp"

#include <cstdint>

namespace assay::test {

constexpr money cents(int64_t n) { return money{n * 10'000'000}; }
constexpr money dollars(int64_t n) { return cents(n * 100); }

} // namespace assay::test
