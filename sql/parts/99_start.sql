-- The last line of the script: at commit the launcher looks at this database.

CREATE FUNCTION sequin._extension_changed() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sequin_extension_changed';
REVOKE ALL ON FUNCTION sequin._extension_changed() FROM PUBLIC;
SELECT sequin._extension_changed();
