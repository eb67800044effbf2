#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace assay {

/// An amount in US dollars, exact to the billionth, so that sums over millions of calls do not drift.
/// The cheapest list prices are near 10 nanodollars a token.
struct money {
  int64_t nanodollars = 0;

  auto operator<=>(const money&) const = default;
  money& operator+=(money other) noexcept {
    nanodollars += other.nanodollars;
    return *this;
  }
  money& operator-=(money other) noexcept {
    nanodollars -= other.nanodollars;
    return *this;
  }
  friend money operator+(money a, money b) noexcept { return a += b; }
  friend money operator-(money a, money b) noexcept { return a -= b; }
};

/// @param dollars Rounded to the nearest billionth.
money from_dollars(double dollars) noexcept;
double to_dollars(money amount) noexcept;

/// "$0.0123": four decimals below a dollar, two above; enough decimals to show a non-zero amount as such.
std::string to_string(money amount);

} // namespace assay
