//! The hash of a collection: of its rows, and of nothing else.

use proptest::prelude::*;
use rulake::ContentHash;

const MAX_DIM: usize = 70;

type Row = (i64, Vec<f32>);

fn rows() -> impl Strategy<Value = (usize, Vec<Row>)> {
    (1..=MAX_DIM).prop_flat_map(|dim| {
        let component = any::<u32>().prop_map(f32::from_bits);
        let row = (any::<i64>(), prop::collection::vec(component, dim));
        (Just(dim), prop::collection::vec(row, 1..20))
    })
}

fn hash_of<'a>(dim: usize, rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut hash = ContentHash::default();
    for (id, row) in rows {
        hash.add(*id, row);
    }
    hash.finish(dim)
}

proptest! {
    #[test]
    fn order_does_not_count((dim, rows) in rows(), turn in any::<prop::sample::Index>()) {
        let expected = hash_of(dim, &rows);
        let mut other: Vec<Row> = rows.iter().rev().cloned().collect();
        other.rotate_left(turn.index(rows.len()));
        prop_assert_eq!(&hash_of(dim, &other), &expected);
        prop_assert!(expected.len() == 64 && expected.bytes().all(|b| b"0123456789abcdef".contains(&b)));
    }

    #[test]
    fn changes_are_followed((dim, rows) in rows(), (_, other) in rows(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(rows.len());
        let mut hash = ContentHash::default();
        for (id, row) in rows.iter().chain(&other) {
            hash.add(*id, row);
        }
        for (id, row) in other.iter().chain(&rows[..cut]).rev() {
            hash.remove(*id, row);
        }
        prop_assert_eq!(hash.finish(dim), hash_of(dim, &rows[cut..]));
    }

    #[test]
    fn every_bit_counts((dim, rows) in rows(), which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let expected = hash_of(dim, &rows);
        let which = which.index(rows.len());
        let bit = at.index(64 + 32 * dim);
        let mut other = rows.clone();
        let (id, row) = &mut other[which];
        match bit.checked_sub(64) {
            None => *id ^= 1 << bit,
            Some(bit) => row[bit / 32] = f32::from_bits(row[bit / 32].to_bits() ^ (1 << (bit % 32))),
        }
        prop_assert_ne!(hash_of(dim, &other), expected.clone());
        // So do the number of rows, and which id has which row.
        prop_assert_ne!(hash_of(dim, rows.iter().chain([&rows[which]])), expected.clone());
        other = rows.clone();
        other[which].0 = rows[0].0;
        other[0].0 = rows[which].0;
        if rows[0].0 != rows[which].0 && bits(&rows[0]) != bits(&rows[which]) {
            prop_assert_ne!(hash_of(dim, &other), expected);
        }
    }
}

fn bits(row: &Row) -> Vec<u32> {
    row.1.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn empty_collections_differ_by_dimension() {
    let empty = ContentHash::default();
    assert_ne!(empty.finish(3), empty.finish(4));
}

/// Sidecars carry it from one version to the next. The values were computed apart, from the text of
/// its definition and another XXH3.
#[test]
fn it_stays_what_it_was() {
    let rows: Vec<Row> = (0..100)
        .map(|i| {
            (
                i * 7 - 50,
                (0..128).map(|d| (i * d) as f32 * 0.5 - 3.0).collect(),
            )
        })
        .collect();
    assert_eq!(
        hash_of(128, &rows),
        "d1543743a11f2d9e28c1a1905de582e42fb5f4ee00686f441966c851981cef1d"
    );
    assert_eq!(
        hash_of(2, &[(-1, vec![0.0, -0.0])]),
        "50971bb6d4ecec086dcadbd7a3780be28b1d908b3f32fc545b1ba6d1fd0a6da0"
    );
}
