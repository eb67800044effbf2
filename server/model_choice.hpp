#pragma once

#include "core/control/model_selection.hpp"
#include "protocol/messages/runs.hpp"
#include "server/services.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>
#include <vector>

/// Models for callers who leave the choice to the farm.
namespace assay::server {

/// @returns every model that may be asked, with what was seen of it.
boost::asio::awaitable<result<std::vector<control::selection_candidate>>>
gather_candidates(edge_services& edge);

/// @returns not_found, with what the first models lack.
fault nothing_fits(const control::model_selection& found,
                   const std::vector<control::selection_candidate>& all);

/// @returns whether @p model is the word `auto`, or `auto:` and a priority, and no model has that name.
bool leaves_choice(const edge_services& edge, std::string_view model);

struct chosen_model {
  std::string model;
  std::string why; ///< For people: `strong of p, the best of 3 by balanced: ...`
};

/// Chooses among the models whose providers can be asked; simulated ones only where there are no others.
/// @param word As in leaves_choice(); its priority counts, not that of @p wish.
/// @returns invalid_argument for a priority that is none, not_found when no model can do it.
boost::asio::awaitable<result<chosen_model>> choose_model(edge_services& edge, std::string word,
                                                          control::selection_wish wish);

/// Names the model of a run that leaves it to the farm, once and for all of its calls, with a note that says
/// why. Others stay as they are. @returns invalid_argument with an idempotency key: the same request may get
/// another model the next time.
boost::asio::awaitable<result<void>> settle_model(edge_services& edge, submit_run& message);

} // namespace assay::server
