-- Touch nothing but the open database from here on: no other files, no extensions, no settings.
SET GLOBAL enable_external_access = false;
SET GLOBAL autoinstall_known_extensions = false;
SET GLOBAL autoload_known_extensions = false;
SET GLOBAL lock_configuration = true;
