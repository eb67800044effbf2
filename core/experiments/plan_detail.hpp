#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

/// What reading and expanding plans share.
namespace assay::experiments::plan_detail {

fault wrong(std::string where, std::string message, std::string hint = {});

/// Settings that a plan says elsewhere, for all children at once.
std::optional<fault> wrong_settings(const nlohmann::json& settings, const std::string& place);

} // namespace assay::experiments::plan_detail
