#pragma once

#include "core/experiments/ab_tally.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <string>

namespace assay::experiments::test {

using json = nlohmann::json;

inline json two_temperatures() {
  return {{"test_id", "temperature_test_001"},
          {"base_model", "claude-3-haiku"},
          {"variants", {{"high_temp", {{"temperature", 0.7}}}, {"low_temp", {{"temperature", 0.3}}}}},
          {"minimum_samples", 20}};
}

inline ab_test test_of(const json& written) {
  auto read = ab_test_from_json(written);
  EXPECT_TRUE(read) << (read ? "" : to_string(read.error()));
  return read ? *read : ab_test{};
}

inline observation quality_of(size_t variant, double quality) {
  observation out;
  out.variant = variant;
  out.quality = quality;
  return out;
}

inline observation success_of(size_t variant, bool success) {
  observation out;
  out.variant = variant;
  out.success = success;
  return out;
}

} // namespace assay::experiments::test
