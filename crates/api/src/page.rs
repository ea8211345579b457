//! Long lists in pages.

use std::ops::RangeInclusive;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// What MediaMTX puts into a page when it is not told.
const ITEMS_PER_PAGE: u32 = 100;
/// MediaMTX takes 31 bits.
const MOST: u32 = i32::MAX.unsigned_abs();

/// The part of a list that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    /// From 0.
    number: u32,
    /// At least 1.
    items: u32,
}

/// As it stands in the query.
#[derive(Default, Deserialize)]
pub(crate) struct PageQuery {
    page: Option<String>,
    #[serde(rename = "itemsPerPage")]
    items_per_page: Option<String>,
}

/// A part of a list.
#[derive(PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T> {
    /// In the whole list.
    item_count: usize,
    /// Of which the whole list is made.
    page_count: usize,
    items: Vec<T>,
}

impl Page {
    /// Reads `?page=&itemsPerPage=`.
    pub(crate) fn of(query: Result<Query<PageQuery>, QueryRejection>) -> Result<Self, ApiError> {
        let refused = |_| ApiError::Parameter { parameter: "query", accepted: "each parameter once" };
        let Query(PageQuery { page, items_per_page }) = query.map_err(refused)?;
        let wrong = |parameter, accepted| ApiError::Parameter { parameter, accepted };
        let number = parse(page, 0..=MOST, 0).ok_or(wrong("page", "0 to 2147483647"))?;
        let items = parse(items_per_page, 1..=MOST, ITEMS_PER_PAGE);
        Ok(Self { number, items: items.ok_or(wrong("itemsPerPage", "1 to 2147483647"))? })
    }

    /// Its part of `all`, each item as it is shown. A page behind the last one is empty.
    pub(crate) fn list<T, U>(self, all: Vec<T>, show: impl FnMut(T) -> U) -> List<U> {
        let (number, size) = (self.number as usize, self.items as usize);
        let (item_count, page_count) = (all.len(), all.len().div_ceil(size));
        let items = all.into_iter().skip(number.saturating_mul(size)).take(size).map(show).collect();
        List { item_count, page_count, items }
    }
}

/// A number in `accepted`; absent or empty is `default`, as in MediaMTX.
fn parse(text: Option<String>, accepted: RangeInclusive<u32>, default: u32) -> Option<u32> {
    match text.as_deref() {
        None | Some("") => Some(default),
        Some(text) => text.parse().ok().filter(|number| accepted.contains(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(uri: &str) -> Result<Page, String> {
        Page::of(Query::try_from_uri(&uri.parse().unwrap())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_is_cut_into_pages() {
        let part = |uri: &str| {
            let List { item_count, page_count, items } =
                page(uri).unwrap().list((0..7).collect(), |item: u32| item);
            (item_count, page_count, items)
        };
        assert_eq!(part("/"), (7, 1, (0..7).collect()));
        assert_eq!(part("/?itemsPerPage=3"), (7, 3, vec![0, 1, 2]));
        assert_eq!(part("/?itemsPerPage=3&page=2"), (7, 3, vec![6]));
        assert_eq!(part("/?itemsPerPage=3&page=3"), (7, 3, vec![]));
        assert_eq!(part("/?itemsPerPage=2147483647&page=2147483647"), (7, 1, vec![]));
        assert_eq!(part("/?itemsPerPage=&page=&other=1"), (7, 1, (0..7).collect()));
        assert_eq!(page("/").unwrap().list(Vec::<u32>::new(), |item| item).page_count, 0);
    }

    #[test]
    fn what_is_no_page_is_refused_with_what_would_be() {
        for wrong in ["-1", "x", "2147483648", "1.5"] {
            assert_eq!(page(&format!("/?page={wrong}")).unwrap_err(), "page: accepted: 0 to 2147483647");
        }
        for wrong in ["0", "-1", "99999999999999999999"] {
            let error = page(&format!("/?itemsPerPage={wrong}")).unwrap_err();
            assert_eq!(error, "itemsPerPage: accepted: 1 to 2147483647");
        }
        assert_eq!(page("/?page=1&page=2").unwrap_err(), "query: accepted: each parameter once");
    }
}
