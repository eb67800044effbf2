#include "core/values/money.hpp"

#include <cmath>
#include <cstdio>

namespace assay {

namespace {
constexpr double nanodollars_per_dollar = 1e9;
}

money from_dollars(double dollars) noexcept { return money{std::llround(dollars * nanodollars_per_dollar)}; }

double to_dollars(money amount) noexcept {
  return static_cast<double>(amount.nanodollars) / nanodollars_per_dollar;
}

std::string to_string(money amount) {
  const double dollars = to_dollars(amount);
  const double size = std::fabs(dollars);
  const int decimals = size >= 1 || size == 0 ? 2 : size >= 0.0001 ? 4 : size >= 0.000001 ? 6 : 9;
  char text[48];
  const int length = std::snprintf(text, sizeof text, "%s$%.*f", dollars < 0 ? "-" : "", decimals, size);
  return {text, static_cast<size_t>(length)};
}

} // namespace assay
